"""Symmetries: what they do to cells and tokens, and that the variants drawn today are those of earlier releases."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import cast

import gymnasium as gym
import numpy as np
import pytest
import torch

import hrm_env
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleBatch
from hrm_env.tasks import make_task
from hrm_env.tasks.sudoku.task import Sudoku

REGISTERED = [cast(str, gym.spec(id).kwargs["task"]) for id in hrm_env.registered_ids()]
SYMMETRIC = [name for name in REGISTERED if make_task(name).symmetries(1, torch.Generator()) is not None]


@cache
def five_puzzles(name: str) -> PuzzleBatch:
    """Easy ones, which are made quickly."""
    task = make_task(name)
    easy = {"clues": task.spec.seq_len // 2} if isinstance(task, Sudoku) else {}
    return PuzzleBatch.of(task.generate(5, np.random.default_rng(0), **easy))


def test_a_symmetry_by_hand() -> None:
    turn = Symmetry(torch.tensor([[2, 0, 1], [0, 1, 2]]), torch.tensor([[0, 2, 3, 1], [0, 3, 2, 1]]))
    puzzles = torch.tensor([[1, 2, 3], [1, 2, 3]])
    assert turn.apply(puzzles).tolist() == [[1, 2, 3], [3, 2, 1]]  # 3, 1, 2 relabelled; the same cells relabelled
    assert turn.undo(torch.tensor([[1, 1, 3], [3, 0, 1]])).tolist() == [[3, 2, 3], [1, 0, 3]]


def test_which_tasks_have_symmetries() -> None:
    assert {name.partition(":")[0] for name in SYMMETRIC} == {"sudoku", "takuzu", "futoshiki", "nonogram", "maze"}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetries_keep_solutions_and_lead_back(name: str) -> None:
    task = make_task(name)
    batch = five_puzzles(name)
    symmetry = task.symmetries(5, torch.Generator().manual_seed(0))
    assert symmetry is not None
    inputs, solution = symmetry.apply(batch.inputs), symmetry.apply(batch.solution)
    assert not torch.equal(inputs, batch.inputs)
    assert task.check(inputs, solution).all()
    assert not task.check(inputs, solution.flip(-1)).all()
    for there, start in ((inputs, batch.inputs), (solution, batch.solution)):
        assert torch.equal(symmetry.undo(there), start)
        assert torch.equal(symmetry.inverse().undo(start), there)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_augment_applies_a_symmetry_to_each_row(name: str) -> None:
    task = make_task(name)
    batch = five_puzzles(name)
    symmetry = task.symmetries(5, torch.Generator().manual_seed(7))
    assert symmetry is not None
    varied = task.augment(batch, torch.Generator().manual_seed(7))
    assert torch.equal(varied.inputs, symmetry.apply(batch.inputs))
    assert torch.equal(varied.solution, symmetry.apply(batch.solution))
    assert torch.equal(varied.puzzle_id, batch.puzzle_id)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("sudoku:2x2", "e5bdd46287bb1c34"),
        ("sudoku:2x3", "43823f818445bb4d"),
        ("sudoku:3x3", "2f326a9e92cc4ed9"),
        ("maze:4x4", "dae443d77abfb0e9"),
        ("maze:3x5", "4b75504a3381fc1e"),
        ("takuzu:4x4", "0e3dc3641b55b158"),
        ("futoshiki:3x3", "c336e3596cc74e30"),
        ("nonogram:4x4", "32101fa0ea3bbcdd"),
        ("copy:4x4", "115958edb594333b"),
        ("arc:6x6", "c671616944a4870c"),
    ],
)
def test_a_seed_draws_the_same_variants_in_every_release(name: str, digest: str) -> None:
    task, generator = make_task(name), torch.Generator().manual_seed(3)
    tokens = np.random.default_rng(0).integers(task.spec.vocab_size, size=(2, 20, task.spec.seq_len))
    first = task.augment(
        PuzzleBatch(torch.from_numpy(tokens[0]), torch.from_numpy(tokens[1]), torch.arange(20)), generator
    )
    second = task.augment(first, generator)
    drawn = b"".join(tensor.numpy().tobytes() for tensor in (*first, *second))
    assert hashlib.sha256(drawn).hexdigest()[:16] == digest
