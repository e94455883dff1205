"""Futoshiki; without signs, Latin squares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.checks import check_integer
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleSpec
from hrm_env.tasks.group import SmallGroupTask, turned_and_mirrored
from hrm_env.tasks.rating import draw_rated, rating_range
from hrm_env.tasks.sudoku.propagation import Geometry
from hrm_env.tasks.sudoku.solver import SudokuSolver
from hrm_env.tasks.sudoku.task import DIGITS, FIRST_DIGIT

SIGNS = "<>^v "
LARGEST = 9
HARDEST = 20  # highest rating that can be requested


class Futoshiki(SmallGroupTask):
    """The agent fills an n×n Latin square that obeys inequality signs between neighbours.

    Every row and column holds every digit once. The grid has 2n − 1 rows and columns: digits in the even ones, signs
    between them. Signs, and spaces where there is none, are given cells. ``<`` and ``>`` stand between left and right;
    ``^`` says that the upper digit is the smaller one, ``v`` that the lower one is. A blank is ``.``.

    Args:
        height: Rows n of digits, 3 to 9.
        width: Columns of digits, as many as rows.
    """

    blank = "."

    def __init__(self, height: int = 5, width: int = 5) -> None:
        super().__init__()
        if height != width or not 3 <= height <= LARGEST:
            raise ValueError(f"Futoshiki: expected n×n digits with n from 3 to {LARGEST}, found {height}x{width}")
        self.size = n = height
        self.alphabet = "." + DIGITS[:n] + SIGNS
        self.spec = PuzzleSpec(f"futoshiki:{n}x{n}", 2 * n - 1, 2 * n - 1, vocab_size=n + 2 + len(SIGNS))
        self.less, self.more, self.up, self.down, self.no_sign = (n + FIRST_DIGIT + number for number in range(5))
        self.group = self._group()
        self._solver = SudokuSolver(1, n)

    def _group(self) -> Symmetry:
        """Returns rotations and reflections, which turn the signs, each with and without d → n + 1 − d."""
        n, same = self.size, torch.arange(self.spec.vocab_size)
        across, down, turned, reversed_digits = (same.clone() for _ in range(4))
        across[[self.less, self.more]] = same[[self.more, self.less]]
        down[[self.up, self.down]] = same[[self.down, self.up]]
        turned[[self.less, self.more, self.up, self.down]] = same[[self.up, self.down, self.less, self.more]]
        reversed_digits[FIRST_DIGIT : FIRST_DIGIT + n] = same[FIRST_DIGIT : FIRST_DIGIT + n].flip(0)
        tokens = [flip[turn] for turn in (same, turned) for flip in (same, across, down, across[down])]
        swapped = across[down[reversed_digits]]
        cells = turned_and_mirrored(2 * n - 1)
        return Symmetry(cells.repeat(2, 1), torch.stack(tokens + [swapped[one] for one in tokens]))

    def generate(
        self,
        count: int,
        rng: np.random.Generator,
        signs: int | None = None,
        min_rating: int = 0,
        max_rating: int | None = None,
    ) -> Puzzles:
        """Generates puzzles with one solution, which the solver proves, and in which every given digit is needed.

        Args:
            count: Number of puzzles.
            rng: The only source of randomness.
            signs: Number of signs; 0 generates Latin squares. Default: n(n − 1) / 2, a quarter of all places.
            min_rating: Smallest rating, at most `HARDEST`.
            max_rating: Largest rating; None sets no bound.

        Returns:
            Puzzles rated by the number of guesses with which the solver proves the solution unique, after singles and
            the bounds that signs set.

        Raises:
            ValueError: An option is out of range, or almost no puzzle has a wanted rating.
        """
        places = 2 * self.size * (self.size - 1)
        number = places // 4 if signs is None else check_integer("signs", signs, 0, places)

        def draw(drawn: int) -> Puzzles:
            digits = self._solver.random_grids(drawn, rng)
            kept = rng.permuted(np.tile(np.arange(places) < number, (drawn, 1)), axis=1)
            solution = self._with_signs(digits, kept)
            ways = [self._geometry(row) for row in solution]
            dug = [self._solver.dig(row[None], 0, rng, way) for row, way in zip(digits, ways, strict=True)]
            inputs = solution.copy()
            self._digits(inputs)[:] = np.concatenate(dug).reshape(-1, self.size, self.size) + 1
            return Puzzles(inputs, solution, self._search(inputs)[1])

        return draw_rated(draw, count, rating_range(min_rating, max_rating, HARDEST))

    def _squares(self, tokens: Tokens) -> Tokens:
        return tokens.reshape(-1, 2 * self.size - 1, 2 * self.size - 1)

    def _digits(self, tokens: Tokens) -> Tokens:
        """Returns a view of the cells with digits, ``(N, n, n)``."""
        return self._squares(tokens)[:, ::2, ::2]

    def _with_signs(self, digits: Tokens, kept: npt.NDArray[np.bool_]) -> Tokens:
        """Returns full grids ``(N, L)`` with the signs of the places ``kept (N, P)``, those between columns first."""
        n, square = self.size, digits.reshape(-1, self.size, self.size)
        tokens = np.full((len(digits), self.spec.seq_len), self.no_sign, dtype=np.uint8)
        self._digits(tokens)[:] = square + 1
        across, down = (
            part.reshape(-1, *shape) for part, shape in zip(np.split(kept, 2, 1), ((n, n - 1), (n - 1, n)), strict=True)
        )
        grids = self._squares(tokens)
        smaller = square[:, :, :-1] < square[:, :, 1:]
        grids[:, ::2, 1::2][across] = np.where(smaller, self.less, self.more)[across]
        smaller = square[:, :-1] < square[:, 1:]
        grids[:, 1::2, ::2][down] = np.where(smaller, self.up, self.down)[down]
        return tokens

    def _geometry(self, tokens: Tokens) -> Geometry:
        """Returns the solver's rules for the signs of one puzzle ``(L,)``."""
        grid, cells = self._squares(tokens)[0], np.arange(self.size**2).reshape(self.size, self.size)
        pairs = []
        for signs, first, second, less, more in (
            (grid[::2, 1::2], cells[:, :-1], cells[:, 1:], self.less, self.more),
            (grid[1::2, ::2], cells[:-1], cells[1:], self.up, self.down),
        ):
            pairs.append(np.stack([first[signs == less], second[signs == less]], 1))
            pairs.append(np.stack([second[signs == more], first[signs == more]], 1))
        return self._solver.by_cells._replace(pairs=np.concatenate(pairs))

    def _search(self, inputs: Tokens) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Returns the number of solutions up to 2 and of guesses of each puzzle ``(N, L)``, ``(N,)`` int32 each."""
        found, guesses = np.zeros((2, len(inputs)), dtype=np.int32)
        masks = self._solver.candidates(self._digits(inputs).reshape(len(inputs), -1) - 1)
        for row, tokens in enumerate(inputs):
            result = self._solver.search(masks[row : row + 1], limit=2, geometry=self._geometry(tokens))
            found[row], guesses[row] = result.found[0], result.guesses[0]
        return found, guesses

    def count_solutions(self, inputs: Tokens) -> npt.NDArray[np.int32]:
        """Counts the solutions of each puzzle ``(N, L)`` up to 2: ``(N,)`` int32."""
        return self._search(inputs)[0]

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether rows and columns hold every digit once and the signs of the question hold, ``(B,)`` bool."""
        n, side = self.size, 2 * self.size - 1
        signs, digits = inputs.view(-1, side, side), answer.view(-1, side, side)[:, ::2, ::2].long() - FIRST_DIGIT
        right = ((digits >= 0) & (digits < n)).flatten(1).all(-1)
        bits = 1 << digits.clamp(0, n - 1)
        # n powers of two below 2^n add up to 2^n - 1 only if all differ
        right &= (torch.cat([bits.sum(1), bits.sum(2)], dim=1) == (1 << n) - 1).all(-1)
        for between, step, less, more in (
            (signs[:, ::2, 1::2], digits.diff(dim=2), self.less, self.more),
            (signs[:, 1::2, ::2], digits.diff(dim=1), self.up, self.down),
        ):
            right &= (((between != less) | (step > 0)) & ((between != more) | (step < 0))).flatten(1).all(-1)
        return right

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Returns the digits that occur again in their row or column, and the signs that do not hold, ``(L,)`` bool."""
        grid = answer.reshape(2 * self.size - 1, -1).astype(np.int64)
        digits = grid[::2, ::2]
        filled = (digits >= FIRST_DIGIT) & (digits < FIRST_DIGIT + self.size)
        found = np.zeros(grid.shape, dtype=np.bool_)
        again = (digits[:, :, None] == digits[:, None, :]).sum(-1) + (digits[:, None] == digits[None]).sum(0) > 2
        found[::2, ::2] = again & filled
        for part, both, step, less, more in (
            (np.s_[::2, 1::2], filled[:, 1:] & filled[:, :-1], np.diff(digits, axis=1), self.less, self.more),
            (np.s_[1::2, ::2], filled[1:] & filled[:-1], np.diff(digits, axis=0), self.up, self.down),
        ):
            found[part] = both & (((grid[part] == less) & (step <= 0)) | ((grid[part] == more) & (step >= 0)))
        return found.ravel()
