"""The commands: what they write and print, and how they refuse."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agents import every_puzzle_once, trained_agent
from paths import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_runs import TINY

from hrm_agent import HRM
from hrm_agent.errors import NonFiniteError
from hrm_env.sources import load_puzzles
from hrm_env.tasks import make_task
from train.__main__ import COMMANDS, main, script
from train.fit import parse
from train.presets import PRESETS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run of ``fit``."""
    runs = tmp_path_factory.mktemp("runs with spaces")
    assert main(["fit", *TINY, "--out", f"{runs}/{{preset}}-{{seed}}"]) == 0
    return runs / "sudoku4x4-3"


@pytest.fixture(scope="module")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve puzzles, the last with a wrong answer."""
    task = make_task("sudoku:2x2")
    puzzles = load_puzzles(task, split="test", num_puzzles=12, puzzle_seed=12)
    rows = [
        ["test", task.decode(question), task.decode(answer), "0"]
        for question, answer in zip(puzzles.inputs, puzzles.solution, strict=True)
    ]
    rows[-1][2] = "1" * 16
    path = tmp_path_factory.mktemp("csv") / "puzzles.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["source", "question", "answer", "rating"], *rows])
    return path


def test_fit_writes_its_results(run: Path) -> None:
    assert {entry.name for entry in run.iterdir()} == {
        "model.zip",
        "best.zip",
        "result.json",
        "checkpoints",
        "tensorboard",
        ".lock",
    }
    result = json.loads((run / "result.json").read_text())
    assert result["updates"] == 5
    assert result["options"]["data"]["num_puzzles"] == 40
    assert result["options"]["seed"] == 3
    assert [sweep["updates"] for sweep in result["history"]] == [2, 4, 5]
    assert result["chosen"]["puzzles"] == result["all_segments"]["puzzles"] == 20
    assert result["all_segments"]["segments_mean"] == 3
    assert result["chosen"]["exact"] == result["history"][-1]["exact"]
    model = HRM.load(run, device="cpu")
    assert (model.max_segments, model._n_updates, model.num_timesteps) == (3, 5, 40)
    (folder,) = (run / "tensorboard").iterdir()
    log = EventAccumulator(str(folder))
    log.Reload()
    assert len(log.Scalars("eval/exact")) == 3


def test_fit_tells_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *TINY, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "HRM-Sudoku4x4-v0: 40 training and 20 test puzzles" in printed
    assert "20 test puzzles after 5 optimizer steps" in printed
    for path in ("model.zip", "result.json", "tensorboard"):
        assert str(tmp_path / path) in printed
    assert f"python -m train watch --checkpoint {tmp_path}" in printed


def test_fit_holds_out_rows_of_a_file(tmp_path: Path, csv_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from_file = [option for option in TINY if not option.startswith("--num-puzzles")]
    options = [*from_file, "--source", str(csv_file), "--skip-bad-rows", "--out", str(tmp_path)]
    assert main(["fit", *options]) == 0
    printed = capsys.readouterr().out
    assert "training puzzles: 1 bad rows skipped" in printed
    assert "7 training and 4 test puzzles" in printed  # of eleven four are variants of the last one
    test = f"--source {csv_file} --held-out auto --test-puzzles 20 --skip-bad-rows"
    assert f"train watch --checkpoint {tmp_path} {test}" in printed
    result = json.loads((tmp_path / "result.json").read_text())["chosen"]
    found = evaluated(tmp_path, tmp_path, *test.split())
    assert {name: found[name] for name in result} | {"puzzles_per_second": 0} == result | {"puzzles_per_second": 0}


def evaluated(run: Path, tmp_path: Path, *options: str) -> dict[str, Any]:
    """The figures of ``evaluate --json``."""
    target = tmp_path / "figures.json"
    common = ["--checkpoint", str(run), "--threads", "1", "--json", str(target)]
    assert main(["evaluate", *common, *options]) == 0
    figures: dict[str, Any] = json.loads(target.read_text())
    return figures


def test_evaluate_on_generated_puzzles(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = evaluated(run, tmp_path, "--num-puzzles", "20")
    result = json.loads((run / "result.json").read_text())
    for figure in (figures, result["chosen"]):
        del figure["puzzles_per_second"]
    assert figures == {"halting": result["options"]["halting"], "skipped_rows": 0, **result["chosen"]}
    assert f"cell_accuracy          {figures['cell_accuracy']:.4f}" in capsys.readouterr().out


def test_evaluate_on_a_file(run: Path, csv_file: Path, tmp_path: Path) -> None:
    source = ("--source", str(csv_file))
    figures = evaluated(run, tmp_path, *source, "--skip-bad-rows", "--halting", "fixed:2", "--max-segments", "5")
    assert (figures["puzzles"], figures["skipped_rows"], figures["halting"]) == (11, 1, "fixed:2")
    assert figures["segments_mean"] == 2
    assert len(figures["accuracy_by_segment"]) == 5
    whole = evaluated(run, tmp_path, *source, "--rows", ":11")
    halves = [evaluated(run, tmp_path, *source, "--rows", rows) for rows in (":5", "5:11")]
    expected = (5 * halves[0]["cell_accuracy"] + 6 * halves[1]["cell_accuracy"]) / 11
    assert whole["cell_accuracy"] == pytest.approx(expected)


def test_evaluate_takes_another_environment(tmp_path: Path) -> None:
    trained_agent().save(tmp_path / "model.zip")
    figures = evaluated(tmp_path, tmp_path, "--env", "HRM-Copy-v0", "--num-puzzles", "60")
    assert figures["exact"] == trained_agent().evaluate(every_puzzle_once()).exact.mean()


def test_watch_shows_puzzles(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--checkpoint", str(run), "--first", "4", "--puzzles", "2", "--pause", "0"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("Puzzle")] == ["Puzzle 4", "Puzzle 5"]
    assert "segment 1 of 3: Q halt 0." in printed
    assert len(re.findall(r"^(policy|budget): (not )?solved$", printed, re.MULTILINE)) == printed.count("solved") == 2
    # the oracle halts where the answer is right, and a budget of one ends every puzzle there
    options = ["--halting", "oracle", "--max-segments", "1", "--puzzles", "3", "--pause", "0"]
    assert main(["watch", "--checkpoint", str(run), *options]) == 0
    printed = capsys.readouterr().out
    assert printed.count("segment 1 of 1") == 3
    assert "segment 2" not in printed


def test_demo_trains_and_then_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert main(["demo", *TINY, "--out", str(tmp_path)]) == 0
    trained, shown = capsys.readouterr().out.split("What to type next:")
    assert "20 test puzzles after 5 optimizer steps" in trained
    assert shown.count("Puzzle ") == 3


def test_every_preset_is_known_by_its_name() -> None:
    for name, preset in PRESETS.items():
        assert parse(["--preset", name], "fit") == preset
        assert preset.preset == name
        assert parse([f"--preset={name}", "--updates", "7"], "fit").updates == 7


BAD = {
    "bad row": (["evaluate", "--checkpoint", "{run}", "--source", "{csv}"], ".*puzzles.csv, line 13: answer: expected"),
    "other task": (
        ["evaluate", "--checkpoint", "{run}", "--env", "HRM-Copy-v0"],
        r"--env: expected the puzzle of .* \(sudoku:2x2 \(16 cells, .*\)\), found copy:4x4",
    ),
    "unknown puzzle": (
        ["evaluate", "--checkpoint", "{run}", "--env", "HRM-Nope-v0"],
        r"--env: expected a puzzle \(.*\), or module:id, found 'HRM-Nope-v0'",
    ),
    "json": (
        ["evaluate", "--checkpoint", "{run}", "--num-puzzles", "3", "--json", "{tmp}/file/a.json"],
        "--json: expected a file in a folder that can be written, found .*/file/a.json",
    ),
    "submission": (
        ["evaluate", "--checkpoint", "{run}", "--submission", "{tmp}/file/a.json"],
        "--submission: expected a file in a folder that can be written, found .*/file/a.json",
    ),
    "submission of no ARC": (
        ["evaluate", "--checkpoint", "{run}", "--source", "{tmp}/no.csv", "--submission", "{tmp}/a.json"],
        "--submission: expected puzzles of ARC, found sudoku:2x2",
    ),
    "option of another source": (
        ["evaluate", "--checkpoint", "{run}", "--source", "{csv}", "--num-puzzles", "5"],
        "--num-puzzles: expected a source with that option, found .*/puzzles.csv",
    ),
    "first puzzle": (["watch", "--checkpoint", "{run}", "--first", "5000"], "--first: expected 0 to 999, found 5000"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    message: str,
    run: Path,
    csv_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "file.zip").write_text("not a zip")
    places = {"{tmp}": str(tmp_path), "{run}": str(run), "{csv}": str(csv_file)}
    for name, path in places.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    capsys.readouterr()
    assert main(arguments) == 2
    printed = capsys.readouterr().err.strip()
    assert "\n" not in printed
    assert not (tmp_path / "run").exists()
    assert re.match(f"error: ({message})", printed), printed


def test_without_an_option_fit_has_those_of_the_default_preset() -> None:
    assert parse([], "fit") == PRESETS["sudoku6x6"]


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_options_are_errors(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--nonsense", "1"]) == 2
    assert re.fullmatch("error: .*--nonsense.*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("fit", ["--preset", "--updates", "--hidden-size", "--halting", "--num-puzzles", "--source", "--out"]),
        ("evaluate", ["--checkpoint", "--source", "--rows", "--halting", "--max-segments", "--json"]),
        ("watch", ["--checkpoint", "--puzzles", "--pause"]),
    ],
)
def test_help_lists_the_options(command: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_status:
        main([command, "--help"])
    assert exit_status.value.code == 0
    printed = capsys.readouterr().out
    assert all(option in printed for option in options)


def test_modules_of_the_folder_it_is_typed_in_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under ``python -m``, so with the installed command, for ``--env module:id`` and ``--halting module:Class``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(sys, "argv", ["hrm", "--help"])
    with pytest.raises(SystemExit):
        script()
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize("fault", [TypeError, KeyError, AttributeError, RuntimeError, MemoryError])
def test_a_fault_of_our_own_keeps_its_traceback(fault: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(arguments: list[str]) -> None:
        raise fault("ours")

    monkeypatch.setattr("train.demo.main", faulty)
    with pytest.raises(fault, match="ours"):
        main(["demo"])


def test_a_loss_that_is_not_finite_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def diverging(arguments: list[str]) -> None:
        raise NonFiniteError("the loss is not finite")

    monkeypatch.setattr("train.demo.main", diverging)
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == "error: the loss is not finite\n"


def test_help_needs_nothing_heavy() -> None:
    code = """
import sys
from train.__main__ import COMMANDS, main
for command in COMMANDS:
    try:
        main([command, "--help"])
    except SystemExit as end:
        assert end.code == 0
    heavy = {"torch", "stable_baselines3", "matplotlib", "PIL"} & set(sys.modules)
    assert not heavy, f"{command}: {heavy}"
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_as_a_person_types_it() -> None:
    def typed(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "train", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    usage = typed("--help")
    assert usage.returncode == 0
    assert all(command in usage.stdout for command in COMMANDS)
    refused = typed("evaluate", "--checkpoint", "/nonexistent/run")
    assert refused.returncode == 2
    assert refused.stderr == "error: /nonexistent/run.zip: expected a checkpoint, found no such file\n"
