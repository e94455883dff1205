"""What README and docs tell the reader to run: blocks and tutorials by themselves, commands up to their options."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import gymnasium as gym
import pytest
import torch
import tyro
from paths import ROOT
from processes import FORKS
from snippets import PAGES, Block, blocks, commands, tutorials

from train.__main__ import COMMANDS

OURS = {"hrm_env", "hrm_agent", "train", "benchmarks", "experiments", "examples"}
LANGUAGES = {"python", "bash", "text"}  # text: what is not to be run
PATIENCE = 300  # seconds after which something is wrong
SHORT = {"64 * 300": "64 * 4", "num_envs=256": "num_envs=20, num_puzzles=20"}
LESS = {  # page: what takes long, and what it is here
    "README.md": SHORT,
    "docs/cores.md": {"HRM-Sudoku-v0": "HRM-Sudoku4x4-v0"},
    "docs/first-steps.md": {"64 * 1000": "64 * 4", "set_num_threads(2)": "set_num_threads(1)"},
    "docs/halting-env.md": {**SHORT, "50_000": "128", "gamma=1.0": "gamma=1.0, n_steps=128"},
    "docs/own-core.md": {"64 * 400": "64 * 4", "num_envs=64": "num_envs=20, num_puzzles=20"},
    "docs/own-puzzle.md": {"64 * 300": "64 * 4", "num_envs=64": "num_envs=20, num_puzzles=20"},
    "docs/parity.md": {"HRM-Sudoku-v0": "HRM-Sudoku4x4-v0"},
    "docs/running.md": {"64 * 300": "64 * 4", "seconds=5": "seconds=0"},
    "docs/sb3.md": {
        "warmup_steps=100": "policy_kwargs=dict(hidden_size=64, num_heads=2)",
        "episodes=256": "episodes=4",
    },
    "docs/study.md": SHORT,
    "docs/tensorboard.md": {**SHORT, "every_updates=100": "every_updates=4"},
    "docs/traces.md": SHORT,
    "docs/tutorials/1-environment.py": {"num_envs=500": "num_envs=20", '"num_puzzles": 500': '"num_puzzles": 20'},
    "docs/tutorials/2-watch.py": {
        "num_envs=250, num_puzzles=250": "num_envs=20, num_puzzles=20",
        "(0, 100, 200, 400)": "(0, 2)",
        '"num_puzzles": 200': '"num_puzzles": 20',
    },
    "docs/tutorials/3-compare.py": {
        "puzzles(200,": "puzzles(20,",
        "recorded(500,": "recorded(40,",
        "recorded(1000,": "recorded(40,",
    },
    "docs/tutorials/4-learn-to-halt.py": {
        "num_puzzles=1000": "num_puzzles=40",
        "num_puzzles=500": "num_puzzles=20",
        "40_000": "4096",
    },
    "docs/tutorials/5-own-puzzle.py": {
        "num_puzzles=3000": "num_puzzles=60",
        "64 * 400": "64 * 4",
        "num_puzzles=500": "num_puzzles=20",
    },
    "docs/tutorials/6-inside.py": {"num_puzzles=100": "num_puzzles=20", "SEGMENTS = 6": "SEGMENTS = 3"},
}
PYTHON = [*(block for block in blocks() if block.language == "python"), *tutorials()]


def forget_project() -> None:
    """Leaves no module of ours imported and no id registered: a block has to do both."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    for id in [id for id in gym.registry if id.startswith("HRM-")]:
        del gym.registry[id]


def run(block: Block, text: str, folder: Path) -> None:
    """The process of a block: an empty folder, and no name but its own; tests that it defines are called."""
    torch.set_num_threads(1)
    forget_project()
    os.chdir(folder)
    handle = os.open(folder.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(handle, stream)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("\n" * (block.line - 1) + text, block.page, "exec"), names)
    for name in [name for name in names if name.startswith("test_")]:
        names[name]()


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_runs_alone(block: Block, tmp_path: Path) -> None:
    text = block.text
    for long, short in LESS.get(block.page, {}).items():
        text = text.replace(long, short)
    folder = tmp_path / "empty"
    folder.mkdir()
    process = FORKS.Process(target=run, args=(block, text, folder))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0, folder.with_suffix(".txt").read_text()


def test_what_is_made_shorter_is_still_there() -> None:
    for page, replacements in LESS.items():
        texts = [block.text for block in PYTHON if block.page == page]
        assert not [long for long in replacements if not any(long in text for text in texts)], page


def test_a_block_says_what_it_is() -> None:
    assert not [block for block in blocks() if block.language not in LANGUAGES]
    fences = sum((ROOT / page).read_text().count("```") for page in PAGES)
    assert len(blocks()) == fences / 2


class OptionsRead(BaseException):
    """A command has read its options, and goes no further."""


def stopping(read: Callable[..., Any]) -> Callable[..., NoReturn]:
    """What reads options, as the last thing that happens."""

    def stopped(*arguments: Any, **options: Any) -> NoReturn:
        read(*arguments, **options)
        raise OptionsRead

    return stopped


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_commands_options_are_read(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, *words = command
    if module == "train":
        for name in {"fit", words[0]} & COMMANDS.keys():
            reader = import_module(f"train.{name.replace('-', '_')}")
            if hasattr(reader, "parsed"):
                monkeypatch.setattr(reader, "parsed", stopping(reader.parsed))
    else:
        monkeypatch.setattr(tyro, "cli", stopping(tyro.cli))
    monkeypatch.setattr(sys, "argv", [module, *words])
    started = f"{module}.__main__" if module in ("train", "benchmarks") else module
    monkeypatch.delitem(sys.modules, started, raising=False)  # runpy warns of what is imported already
    status: Any = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except OptionsRead:
        pass
    except SystemExit as end:
        status = end.code
    assert not status, (commands()[command], capsys.readouterr().err)
