"""Takuzu, also called binary puzzle or Binairo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleSpec
from hrm_env.tasks.group import SmallGroupTask, turned_and_mirrored
from hrm_env.tasks.lines import BOTH, FIRST, SECOND, Masks, dig_lines, search_lines, square_lines
from hrm_env.tasks.rating import draw_rated, rating_range
from hrm_env.tasks.solving import SearchResult

BLANK, ZERO, ONE = 1, 2, 3  # tokens; PAD is 0
LARGEST = 14
HARDEST = 20  # highest rating that can be requested
_MASK_OF = np.array([0, BOTH, FIRST, SECOND])
_TOKEN_OF = np.array([0, ZERO, ONE, BLANK], dtype=np.uint8)


class Takuzu(SmallGroupTask):
    """The agent fills an n×n grid with zeros and ones.

    Every row and column holds as many zeros as ones, no three equal digits stand side by side or one below the other,
    and no two rows and no two columns are equal. Text is ``.``, ``0`` and ``1``.

    Args:
        height: Rows n, an even number from 4 to 14.
        width: Columns, as many as rows.
    """

    alphabet = ".01"
    blank = "."

    def __init__(self, height: int = 6, width: int = 6) -> None:
        super().__init__()
        if height != width or height % 2 or not 4 <= height <= LARGEST:
            raise ValueError(f"Takuzu: expected n×n cells with an even n from 4 to {LARGEST}, found {height}x{width}")
        self.size = n = height
        self.spec = PuzzleSpec(f"takuzu:{n}x{n}", n, n, vocab_size=len(self.alphabet) + 1)
        cells = turned_and_mirrored(n)
        swaps = torch.tensor([[0, BLANK, ZERO, ONE], [0, BLANK, ONE, ZERO]])
        self.group = Symmetry(cells.repeat(2, 1), swaps.repeat_interleave(len(cells), 0))
        self._lines = square_lines(n, _words(n), distinct=True)

    def generate(
        self, count: int, rng: np.random.Generator, min_rating: int = 0, max_rating: int | None = None
    ) -> Puzzles:
        """Generates minimal puzzles: they have one solution, which the solver proves, and need every clue.

        Args:
            count: Number of puzzles.
            rng: The only source of randomness.
            min_rating: Smallest rating, at most `HARDEST`.
            max_rating: Largest rating; None sets no bound.

        Returns:
            Puzzles rated by the number of guesses with which the solver proves the solution unique. It reasons about
            one line at a time, so 0 means that this suffices.

        Raises:
            ValueError: An option is out of range, or almost no puzzle has a wanted rating.
        """

        def draw(number: int) -> Puzzles:
            empty = np.full((number, self.spec.seq_len), BOTH)
            solved = search_lines(self._lines, empty, self._spans(number), limit=1, rng=rng).solution.astype(np.int64)
            masks = dig_lines(self._lines, solved, self._spans(number), rng)
            return Puzzles(_TOKEN_OF[masks], _TOKEN_OF[solved], self._count(masks).guesses)

        return draw_rated(draw, count, rating_range(min_rating, max_rating, HARDEST))

    def _spans(self, count: int) -> Masks:
        """Returns that every line of ``count`` puzzles may be any word."""
        return np.tile(np.array([0, len(self._lines.words)]), (count, 2 * self.size, 1))

    def _count(self, masks: Masks) -> SearchResult:
        return search_lines(self._lines, masks, self._spans(len(masks)), limit=2)

    def count_solutions(self, inputs: Tokens) -> npt.NDArray[np.int32]:
        """Counts the solutions of each puzzle ``(N, L)`` up to 2: ``(N,)`` int32."""
        return self._count(_MASK_OF[inputs]).found

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether each answer is balanced, without three equal neighbours, and without equal lines."""
        n = self.size
        grid = answer.long().view(-1, n, n) - ZERO
        right = ((grid == 0) | (grid == 1)).flatten(1).all(-1)
        places = 1 << torch.arange(n, device=answer.device)
        for lines in (grid, grid.mT):
            in_threes = lines[:, :, 2:] + lines[:, :, 1:-1] + lines[:, :, :-2]
            words = (lines * places).sum(-1)
            equal = (words[:, :, None] == words[:, None, :]).sum((1, 2)) > n
            right &= (lines.sum(-1) == n // 2).all(-1) & ((in_threes % 3) != 0).flatten(1).all(-1) & ~equal
        return right

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Returns the cells of three equal neighbours, of a digit too frequent in its line, and of equal lines."""
        n = self.size
        grid = answer.reshape(n, n)
        found = np.zeros((2, n, n), dtype=np.bool_)
        for lines, marks in ((grid, found[0]), (grid.T, found[1].T)):
            for digit in (ZERO, ONE):
                held = lines == digit
                three = held[:, 2:] & held[:, 1:-1] & held[:, :-2]
                for shift in range(3):
                    marks[:, shift : n - 2 + shift] |= three
                marks[:] |= held & (held.sum(1, keepdims=True) > n // 2)
            equal = (lines[:, None] == lines[None]).all(-1) & (lines >= ZERO).all(-1)
            marks[:] |= (equal.sum(1) > 1)[:, None]
        marked: npt.NDArray[np.bool_] = found.any(0).ravel()
        return marked


def _words(size: int) -> Masks:
    """Returns the balanced words of ``size`` bits without three equal neighbours."""
    words: Masks = np.arange(1 << size)
    threes = words & words >> 1 & words >> 2
    empty = ~words & ((1 << size) - 1)
    clear = (threes == 0) & (empty & empty >> 1 & empty >> 2 == 0)
    balanced: Masks = words[clear & (np.bitwise_count(words) == size // 2)]
    return balanced
