"""The properties that every puzzle family must satisfy, as one call for your own tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hrm_env.drawing import draw_puzzle, write_puzzle
from hrm_env.puzzles import Puzzles
from hrm_env.task import PuzzleBatch, PuzzleTask


def check_task(task: PuzzleTask, count: int = 20, seed: int = 0, **generator_options: Any) -> None:
    """Tests a task's methods against each other on generated puzzles.

    Args:
        task: The puzzle family.
        count: Number of puzzles.
        seed: Seed of the generator and of the symmetries.
        **generator_options: Options of the task's ``generate``.

    Raises:
        AssertionError: A property does not hold; the message states the property.
    """
    puzzles = task.generate(count, np.random.default_rng(seed), **generator_options)
    again = task.generate(count, np.random.default_rng(seed), **generator_options)
    assert np.array_equal(puzzles.inputs, again.inputs), "generate: the same seed gives the same puzzles"
    _check_tokens(task, puzzles, count)
    _check_text(task, puzzles)
    _check_solutions(task, puzzles)
    _check_symmetries(task, puzzles, seed)
    _check_drawings(task, puzzles)


def _check_tokens(task: PuzzleTask, puzzles: Puzzles, count: int) -> None:
    for name, tokens in (("inputs", puzzles.inputs), ("solution", puzzles.solution)):
        assert tokens.shape == (count, task.spec.seq_len), f"generate: {name} have shape (count, L)"
        assert int(tokens.max()) < task.spec.vocab_size, f"generate: {name} are tokens below vocab_size"
    assert (puzzles.solution != 0).any(axis=1).all(), "generate: every solution has a graded cell"
    assert int(puzzles.puzzle_id.max()) < len(puzzles.names), "generate: every puzzle id has a name"


def _check_text(task: PuzzleTask, puzzles: Puzzles) -> None:
    for tokens in (*puzzles.inputs, *puzzles.solution):
        assert np.array_equal(task.encode(task.decode(tokens)), tokens), "encode undoes decode"


def _check_solutions(task: PuzzleTask, puzzles: Puzzles) -> None:
    batch = PuzzleBatch.of(puzzles)
    assert task.check(batch.inputs, batch.solution).all(), "check accepts every solution"
    answers = batch.solution.clone()
    answers[::2] = batch.solution.roll(1, dims=0)[::2]  # every second puzzle gets its neighbour's solution
    together = task.check(batch.inputs, answers)
    one_by_one = [task.check(batch.inputs[[row]], answers[[row]]).item() for row in range(len(answers))]
    assert together.tolist() == one_by_one, "check judges every row by itself"


def _check_symmetries(task: PuzzleTask, puzzles: Puzzles, seed: int) -> None:
    batch = PuzzleBatch.of(puzzles)
    before = [tensor.clone() for tensor in batch]
    variant, same = (task.augment(batch, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert all(map(torch.equal, batch, before)), "augment leaves its argument as it is"
    assert all(map(torch.equal, variant, same)), "augment draws from the given generator alone"
    assert variant.inputs.shape == batch.inputs.shape, "augment keeps the shape"
    assert task.check(variant.inputs, variant.solution).all(), "augment: a variant's solution solves it"
    symmetry = task.symmetries(len(puzzles), torch.Generator().manual_seed(seed))
    if symmetry is not None:
        restored = symmetry.undo(symmetry.apply(batch.inputs))
        assert torch.equal(restored, batch.inputs), "symmetries: undo leads back"
    keys = task.symmetry_key(puzzles.inputs)
    assert keys.shape == (len(puzzles),), "symmetry_key has shape (N,)"
    assert keys.dtype == np.uint64, "symmetry_key is uint64"
    variant_keys = task.symmetry_key(variant.inputs.numpy().astype(np.uint8))
    assert np.array_equal(variant_keys, keys), "symmetry_key is the same for all variants"


def _check_drawings(task: PuzzleTask, puzzles: Puzzles) -> None:
    inputs, solution = puzzles.inputs[0], puzzles.solution[0]
    question = draw_puzzle(task, inputs)
    for answer in (solution, puzzles.solution[-1], np.zeros_like(solution)):
        conflicts = task.conflicts(answer)
        assert conflicts.shape == answer.shape, "conflicts has shape (L,)"
        assert conflicts.dtype == np.bool_, "conflicts is bool"
        picture = draw_puzzle(task, inputs, answer, solution)
        assert picture.shape == question.shape, "draw_puzzle: the pictures of a task have one size"
        write_puzzle(task, inputs, answer, solution)
