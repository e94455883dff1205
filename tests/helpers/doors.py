"""Every function that opens a file, and how it refuses one."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from agents import tiny_agent
from hostile import little_memory

from hrm_agent import HRM, halting
from hrm_agent.checkpoints.reference_checkpoint import read_reference
from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training
from hrm_agent.sb3.policy import HRMPolicy
from hrm_agent.traces.record import Traces
from hrm_env.sources import load_puzzles
from hrm_env.sources.generated import GENERATOR_VERSION
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.sudoku.task import Sudoku
from train.__main__ import main

SUDOKU = Sudoku(2, 2)
Door = tuple[str, Callable[[Path], Any]]


def command(*arguments: str) -> Callable[[Path], None]:
    """Returns a function that runs a command on a checkpoint and raises its error message."""

    def run(path: Path) -> None:
        said = io.StringIO()
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            status = main([*arguments, str(path)])
        assert status in (0, 2)
        if status:
            raise ValueError(said.getvalue().removeprefix("error: ").removesuffix("\n"))

    return run


def cached(path: Path) -> None:
    """Reads the cache of generated puzzles, which warns and generates them again; raises the warning."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as said:
        patch.setenv("HRM_ENV_CACHE", str(path.parent))
        warnings.simplefilter("always")
        assert len(load_puzzles(SUDOKU, num_puzzles=3)) == 3
    raise ValueError(str(said[0].message))


def in_a_folder(name: str) -> Door:
    """Returns the door of one file of a built folder."""
    return f"train/{name}", lambda path: load_puzzles(SUDOKU, str(path.parents[1]))


OWN: dict[str, Door] = {
    "load": ("agent.zip", lambda path: HRM.load(path, device="cpu")),
    "evaluate": ("agent.zip", command("evaluate", "--num-puzzles", "3", "--checkpoint")),
    "watch": ("agent.zip", command("watch", "--puzzles", "1", "--pause", "0", "--checkpoint")),
    "resume": ("step-00000010.zip", lambda path: restore_training(tiny_agent(), TrainingCheckpoint.read(path))),
    "set_parameters": ("agent.zip", lambda path: tiny_agent().set_parameters(path)),
}
DOORS: dict[str, Door] = OWN | {
    "policy": ("policy.zip", lambda path: HRMPolicy.load(path, device="cpu")),
    "reference": ("step_10", read_reference),
    "reference, safetensors": ("step_10.safetensors", read_reference),
    "reference, npz": ("step_10.npz", read_reference),
    "halting policy": ("m.zip", lambda path: halting.make(f"sb3:{path}")),
    "traces": ("t.traces", Traces.read),
    "folder, tokens": in_a_folder("all__inputs.npy"),
    "folder, numbers": in_a_folder("all__puzzle_indices.npy"),
    "folder, sizes": in_a_folder("dataset.json"),
    "folder, names": ("identifiers.json", lambda path: load_puzzles(SUDOKU, str(path.parent))),
    "CSV": ("p.csv", lambda path: load_puzzles(SUDOKU, str(path))),
    "ARC": ("p.json", lambda path: load_puzzles(Arc(6, 6), str(path))),
    "cache": (f"sudoku-2x2-train-3-seed0-v{GENERATOR_VERSION}.npz", cached),
}


def refusal(open_it: Callable[[Path], Any], path: Path) -> str:
    """Returns the sentence with which a door refuses a file."""
    with little_memory(), pytest.raises(ValueError) as caught:  # noqa: PT011  (what it says is checked by the tests)
        open_it(path)
    said = str(caught.value)
    assert str(path) in said
    assert said.isprintable()
    assert len(said) < 600
    return said
