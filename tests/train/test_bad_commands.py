"""The commands refuse bad input in one sentence, before they make or read anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_runs import TINY

from train.__main__ import COMMANDS, main

BAD = {
    "no such command": (["train"], f"expected a command of {', '.join(COMMANDS)}, found 'train'"),
    "preset": (["fit", "--preset", "nope"], "--preset: expected one of sudoku6x6, .*, found 'nope'"),
    "missing preset": (["fit", "--preset"], "Missing value for argument '--preset'"),
    "environment": (
        ["fit", "--env", "CartPole-v1"],
        r"--env: expected a puzzle \(.*\), or module:id, found 'CartPole-v1'",
    ),
    "source": (["fit", "--source", "{tmp}/no.csv", "--out", "{tmp}/run"], ".*/no.csv: expected a readable CSV file"),
    "halting": (["fit", *TINY, "--halting", "never"], "--halting: expected one of .* found 'never'"),
    "out": (
        ["fit", *TINY, "--out", "{tmp}/file/run"],
        "--out: expected a file in a folder .*, found .*/run/result.json",
    ),
    "checkpoint": (["evaluate", "--checkpoint", "{tmp}/none"], ".*none.zip: expected a checkpoint, found no such file"),
    "damaged": (["evaluate", "--checkpoint", "{tmp}/file.zip"], ".*: expected a complete checkpoint, found a damaged"),
    "policy": (
        ["learn-halting", "--checkpoint", "{tmp}/none", "--out", "{tmp}/file/a.zip"],
        "--out: expected a file in a folder that can be written, found .*/file/a.zip",
    ),
    "traces": (
        ["learn-halting", "--checkpoint", "{tmp}/none", "--traces", "{tmp}"],
        "--traces: .*, found the folder .*",
    ),
    "study": (
        ["study", "--checkpoint", "{tmp}/none", "--out", "{tmp}/file"],
        "--out: expected a file in a folder that can be written, found .*/file/study.json",
    ),
    "film": (
        ["watch", "--checkpoint", "{tmp}/none", "--to", "{tmp}/file/a.gif"],
        "--to: expected a file in a folder that can be written, found .*/file/a.gif",
    ),
    "views to train with": (
        ["fit", *TINY, "--halting", "halt-first:4", "--out", "{tmp}/run"],
        "--halting: expected a policy of one view to train with, found 'halt-first:4' of 4 views, .*",
    ),
    "test source": (
        ["fit", *TINY, "--test-source", "{tmp}/none.csv", "--out", "{tmp}/run"],
        "--test-source: expected generated, hub:owner/name, a file or a folder, found .*none.csv'",
    ),
    "blanks": (
        ["fit", "--env", "HRM-Copy-v0", "--blank-fraction", "0.5", "1", "--out", "{tmp}/run"],
        "--blank-fraction: expected 1, as copy:4x4 has no blank cells, .*",
    ),
    "option": (
        ["fit", *TINY, "--option", "clue=3", "--out", "{tmp}/run"],
        r"--option: expected one of num_puzzles, .*, found 'clue' \(did you mean 'clues'\?\)",
    ),
    "split": (["fit", *TINY, "--option", "split=test"], "--option: expected one of num_puzzles, .*, found 'split'"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "file.zip").write_text("not a zip")
    assert main([argument.replace("{tmp}", str(tmp_path)) for argument in arguments]) == 2
    printed = capsys.readouterr().err.strip()
    assert "\n" not in printed
    assert not (tmp_path / "run").exists()
    assert re.match(f"error: ({message})", printed), printed
