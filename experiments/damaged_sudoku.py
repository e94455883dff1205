"""Sudoku puzzles without a solution and with exactly two, made from puzzles with one; our solver counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hrm_env.puzzles import Puzzles
from hrm_env.task import PAD_ID
from hrm_env.tasks.sudoku.task import Sudoku

Digits = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


def without_solution(task: Sudoku, puzzles: Puzzles, seed: int) -> Puzzles:
    """Changes one clue of each puzzle so that no solution is left, which cannot be seen at once.

    No two equal digits stand in a row, column or box. The clue and its new digit are drawn at random from all such
    changes. A puzzle without one is left out.

    Args:
        task: The puzzle family.
        puzzles: Puzzles with one solution.
        seed: Seed of the draw.

    Returns:
        The changed puzzles with their old ratings; their solutions are `PAD_ID`, so that no answer is right.
    """
    digits = puzzles.inputs - 1
    values = np.arange(task.size + 1)
    at_peers = np.stack([_peer_has(task, digits, value) for value in range(task.size + 1)], axis=2)  # (N, L, n + 1)
    allowed = ~at_peers & (digits > 0)[..., None] & (digits[..., None] != values) & (values > 0)
    changed, found = _altered(task, digits, allowed, 0, seed)
    kept = puzzles[found]
    return replace(kept, inputs=changed[found] + 1, solution=np.full_like(kept.solution, PAD_ID))


def with_two_solutions(task: Sudoku, puzzles: Puzzles, seed: int) -> Puzzles:
    """Removes one clue of each puzzle so that exactly two solutions are left: the old one and another.

    The clue is drawn at random from all such clues. A puzzle without one is left out.

    Args:
        task: The puzzle family.
        puzzles: Puzzles with one solution.
        seed: Seed of the draw.

    Returns:
        The changed puzzles with their old ratings and solutions.
    """
    digits = puzzles.inputs - 1
    allowed = (digits > 0)[..., None] & (np.arange(task.size + 1) == 0)
    changed, found = _altered(task, digits, allowed, 2, seed)
    return replace(puzzles[found], inputs=changed[found] + 1)


def _peer_has(task: Sudoku, digits: Digits, value: int) -> Flags:
    """Returns whether the row, column or box of each cell holds a digit, ``(N, L)``."""
    in_unit = (digits[:, task.solver.units] == value).any(-1)  # (N, 3n)
    return np.asarray(in_unit[:, task.solver.unit_of].any(1))


def _altered(task: Sudoku, digits: Digits, allowed: Flags, wanted: int, seed: int) -> tuple[Digits, Flags]:
    """Replaces a digit of each puzzle so that a wanted number of solutions is left.

    Args:
        task: The puzzle family.
        digits: The puzzles, 0 for blank, ``(N, L)``.
        allowed: Whether a cell may get a digit, or 0, ``(N, L, n + 1)``; tried in random order.
        wanted: Number of solutions.
        seed: Seed of the order.

    Returns:
        The puzzles, ``(N, L)``, and which of them have the wanted number of solutions, ``(N,)``.
    """
    choices = allowed.reshape(len(digits), -1)
    drawn = np.random.default_rng([seed, wanted]).random(choices.shape, dtype=np.float32)
    order = np.argsort(np.where(choices, drawn, np.float32(2)), axis=1)
    changed, found = digits.copy(), np.zeros(len(digits), np.bool_)
    for turn in range(int(choices.sum(1).max(initial=0))):
        rows = np.flatnonzero(~found & (choices.sum(1) > turn))
        cells, values = np.divmod(order[rows, turn], task.size + 1)
        tried = digits[rows]
        tried[np.arange(len(rows)), cells] = values
        masks = task.solver.candidates(tried)
        right = task.solver.search(masks, limit=wanted + 1, geometry=task.solver.by_bands).found == wanted
        changed[rows[right]], found[rows[right]] = tried[right], True
    return changed, found
