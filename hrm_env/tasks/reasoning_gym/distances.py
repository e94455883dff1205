"""Distances to the nearest zero of a binary matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from hrm_env.checks import check_number
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.task import PuzzleSpec
from hrm_env.tasks.group import SmallGroupTask, square_symmetries
from hrm_env.tasks.reasoning_gym.adapter import Entry, ReasoningGymTask

BLANK, ZERO = 1, 2  # tokens; PAD is 0, the distance d is ZERO + d
_NUMBERS = "0123456789ABCDEFGHI"


class RGDistances(ReasoningGymTask, SmallGroupTask):
    """The agent writes the distance to the nearest zero into every other cell: the data set ``binary_matrix``.

    Steps lead to the four neighbours. The zeros are given, and the ones of the data set are blank. Text is ``.`` for a
    blank and ``0``..``9`` (then ``A``..``I``) for distances.

    Args:
        height: Rows n, 3 to 10.
        width: Columns, as many as rows.
    """

    data_set = "binary_matrix"
    blank = "."

    def __init__(self, height: int = 10, width: int = 10) -> None:
        super().__init__()
        if height != width or not 3 <= height <= 10:
            raise ValueError(f"RGDistances: expected n×n cells with n from 3 to 10, found {height}x{width}")
        self.size = n = height
        self.sized = {"min_n": n, "max_n": n}
        self.alphabet = "." + _NUMBERS[: 2 * n - 1]
        self.spec = PuzzleSpec(f"rg_distances:{n}x{n}", n, n, vocab_size=len(self.alphabet) + 1)
        self.group = square_symmetries(n, self.spec.vocab_size)

    def generate(self, count: int, rng: np.random.Generator, p_zero: float = 0.25) -> Puzzles:
        """Generates random matrices with at least one zero.

        Args:
            count: Number of puzzles.
            rng: Random generator that the seed of the data set is drawn from.
            p_zero: Probability that a cell is zero, 0.01 to 1.

        Returns:
            Puzzles rated by the number of blank cells.
        """
        return self.puzzles_of(self.entries(count, rng, p_zero=check_number("p_zero", p_zero, 0.01, 1)))

    def tokens_of(self, entry: Entry) -> tuple[Tokens, Tokens]:
        """Returns question and solution of an entry, ``(L,)`` uint8 each."""
        solution = np.array(entry["metadata"]["solution"], dtype=np.uint8).ravel() + np.uint8(ZERO)
        return np.where(solution == ZERO, ZERO, BLANK).astype(np.uint8), solution

    def written(self, answer: Tokens) -> str:
        """Returns an answer ``(L,)`` as rows of decimal numbers."""
        return self.lines(answer, {char: str(number) for number, char in enumerate(_NUMBERS)})

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether every blank has one more than its nearest neighbour to a zero, ``(B,)`` bool."""
        n, distances = self.size, answer.long() - ZERO
        grid = pad(distances.view(-1, n, n), (1, 1, 1, 1), value=2 * n)
        around = (grid[:, :-2, 1:-1], grid[:, 2:, 1:-1], grid[:, 1:-1, :-2], grid[:, 1:-1, 2:])
        nearest = torch.stack(around).amin(0).flatten(1)
        return ((distances >= 0) & ((inputs == ZERO) | (distances == nearest + 1))).all(-1)

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Returns the distances that differ by more than one from a neighbour's, ``(L,)`` bool."""
        grid = answer.reshape(self.size, self.size).astype(np.int64)
        found = np.zeros(grid.shape, dtype=np.bool_)
        for lines, marks in ((grid, found), (grid.T, found.T)):
            far = (np.abs(np.diff(lines)) > 1) & (lines[:, 1:] >= ZERO) & (lines[:, :-1] >= ZERO)
            marks[:, 1:] |= far
            marks[:, :-1] |= far
        return found.ravel()
