"""Sudoku of any box shape."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.checks import check_integer
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleSpec, PuzzleTask
from hrm_env.tasks.rating import rating_range
from hrm_env.tasks.sudoku.difficulty import HARDEST, climb_to
from hrm_env.tasks.sudoku.solver import SudokuSolver

DIGITS = "123456789ABCDEFG"
FIRST_DIGIT = 2  # tokens: PAD 0, blank 1, digit d is d + 1
_CHUNK = 4096  # puzzles solved at a time


class Sudoku(PuzzleTask):
    """n×n Sudoku with boxes of ``box_height`` × ``box_width``, n = box_height · box_width, at most 16.

    Tokens are those of the HRM reference code: PAD 0, blank 1, digits 2..n+1. Text is ``.`` and ``1``..``9`` (then
    ``A``..``G``).
    """

    blank = "."

    def __init__(self, box_height: int = 3, box_width: int = 3) -> None:
        self.size = n = box_height * box_width
        if not 4 <= n <= len(DIGITS):
            raise ValueError(
                f"Sudoku: expected a box of 4 to {len(DIGITS)} cells, found {box_height}x{box_width} with {n}"
            )
        self.box_height, self.box_width = box_height, box_width
        self.alphabet = "." + DIGITS[:n]
        self.spec = PuzzleSpec(f"sudoku:{box_height}x{box_width}", height=n, width=n, vocab_size=n + FIRST_DIGIT)
        self.solver = SudokuSolver(box_height, box_width)

    @property
    def boxes(self) -> tuple[int, int]:
        """Rows and columns of a box."""
        return self.box_height, self.box_width

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Returns the cells whose digit occurs again in their row, column or box, ``(L,)`` bool."""
        in_units = answer[self.solver.units]  # (3n, n)
        again = (in_units[:, :, None] == in_units[:, None, :]).sum(-1) > 1
        found = np.zeros(len(answer), dtype=np.bool_)
        found[self.solver.units[again & (in_units >= FIRST_DIGIT)]] = True
        return found

    def generate(
        self,
        count: int,
        rng: np.random.Generator,
        clues: int = 0,
        min_rating: int = 0,
        max_rating: int | None = None,
    ) -> Puzzles:
        """Generates puzzles with exactly one solution, which the solver proves.

        Args:
            count: Number of puzzles.
            rng: The only source of randomness.
            clues: Exact number of givens; 0 generates minimal puzzles, in which every clue is needed.
            min_rating: Smallest rating, at most `HARDEST`. Few puzzles are hard, so `climb_to` searches for them.
            max_rating: Largest rating; None sets no bound.

        Returns:
            Puzzles rated by the number of guesses that our solver needs to prove the solution unique
            (`SudokuSolver.rate`).

        Raises:
            ValueError: An option is out of range, or almost no puzzle meets the options.
        """
        check_integer("clues", clues, 0, self.spec.seq_len)
        wanted = rating_range(min_rating, max_rating, HARDEST)
        if min_rating == 0 and max_rating is None:
            puzzles, grids = self._dig(count, clues, rng)
        else:
            draw = partial(self._dig, clues=clues, rng=rng)
            puzzles, grids = climb_to(wanted, count, draw, self.solver, minimal=clues == 0, rng=rng)
        rating = self.solver.rate(puzzles).guesses
        return Puzzles((puzzles + 1).astype(np.uint8), (grids + 1).astype(np.uint8), rating)

    def _dig(self, count: int, clues: int, rng: np.random.Generator) -> tuple[Tokens, Tokens]:
        """Returns puzzles with ``clues`` clues (minimal ones for 0) and their solutions, ``(count, L)`` digits each."""
        kept: list[tuple[Tokens, Tokens]] = []
        made = tried = 0
        while made < count:
            grids = self.solver.random_grids(max(count - made, 64), rng)
            puzzles = self.solver.dig(grids, clues, rng)
            wanted = (puzzles != 0).sum(axis=1) == clues if clues else np.ones(len(puzzles), dtype=np.bool_)
            kept.append((puzzles[wanted], grids[wanted]))
            made += int(wanted.sum())
            tried += len(grids)
            if made * 100 < tried > 2000:
                raise ValueError(f"clues: only {made} of {tried} grids could be reduced to {clues} clues; ask for more")
        puzzles, grids = (np.concatenate(part)[:count] for part in zip(*kept, strict=True))
        return puzzles, grids

    def count_solutions(self, inputs: Tokens) -> npt.NDArray[np.int32]:
        """Counts the solutions of each puzzle ``(N, L)`` up to 2: ``(N,)`` int32."""
        found = np.empty(len(inputs), dtype=np.int32)
        for start in range(0, len(inputs), _CHUNK):
            rows = slice(start, start + _CHUNK)
            found[rows] = self.solver.rate(inputs[rows] - 1).found
        return found

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether every row, column and box holds every digit once, ``(B,)`` bool."""
        digits = answer.long() - FIRST_DIGIT
        in_range = ((digits >= 0) & (digits < self.size)).all(-1)
        bits, n, (height, width) = 1 << digits.clamp(0, self.size - 1), self.size, self.boxes
        rows, boxes = bits.view(-1, n, n), bits.view(-1, n // height, height, n // width, width)
        units = torch.cat([rows.sum(2), rows.sum(1), boxes.sum((2, 4)).flatten(1)], dim=1)
        # n powers of two below 2^n add up to 2^n - 1 only if all differ
        return in_range & (units == (1 << self.size) - 1).all(-1)

    def symmetries(self, count: int, generator: torch.Generator) -> Symmetry:
        """Draws permutations of digits, bands, stacks, rows and columns, and transpositions if boxes are square."""
        device, n = generator.device, self.size

        def shuffled(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator, device=device).argsort(-1)

        def lines(box: int) -> Tensor:  # rows within bands, or columns within stacks
            return (shuffled(n // box).unsqueeze(-1) * box + shuffled(n // box, box)).flatten(1)

        rows, columns = lines(self.box_height), lines(self.box_width)
        down, across = rows * n, columns
        if self.box_height == self.box_width:
            flip = torch.rand(count, 1, generator=generator, device=device) < 0.5
            down, across = torch.where(flip, across, down), torch.where(flip, down, across)
        cells = down.unsqueeze(2) + across.unsqueeze(1)
        unchanged = torch.arange(FIRST_DIGIT, device=device).expand(count, -1)
        return Symmetry(cells.flatten(1), torch.cat([unchanged, shuffled(n) + FIRST_DIGIT], dim=1))

    def symmetry_key(self, inputs: Tokens) -> npt.NDArray[np.uint64]:
        """Refines colours (Weisfeiler-Leman) of the givens over rows, columns, boxes and equal digits.

        Symmetric puzzles always have equal keys; puzzles with equal keys are almost always symmetric.
        """
        digits = inputs.astype(np.int64) - 1  # 0 is blank
        same = digits[:, None, :] == np.arange(1, self.size + 1)[None, :, None]  # (N, n, L)
        row, column, box = self.solver.unit_of
        colour = _mix((digits > 0).astype(np.uint64))
        across, down = (3, 3) if self.box_height == self.box_width else (3, 5)  # transposition swaps rows and columns
        for _ in range(4):
            units = _mix(colour[:, self.solver.units].sum(axis=2, dtype=np.uint64))
            digit_colour = _mix((colour[:, None, :] * same).sum(axis=2, dtype=np.uint64))
            of_digit = np.concatenate([np.zeros((len(inputs), 1), np.uint64), digit_colour], axis=1)
            linked = (
                units[:, row] * np.uint64(across) + units[:, column] * np.uint64(down) + units[:, box] * np.uint64(7)
            )
            colour = _mix(colour * np.uint64(11) + linked + np.take_along_axis(of_digit, digits, 1) * np.uint64(13))
        return _mix(colour.sum(axis=1, dtype=np.uint64))


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Applies SplitMix64's finaliser, a fixed permutation of the 64-bit numbers that mixes their bits."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
