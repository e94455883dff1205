"""A Sudoku solver: constraint propagation and search in compiled loops, on all cores."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from hrm_env.tasks.solving import SearchResult, on_all_cores
from hrm_env.tasks.sudoku.propagation import Geometry, Memory
from hrm_env.tasks.sudoku.search import dig_each, search_each

Masks = npt.NDArray[np.int64]
LARGEST_SIDE = 4  # b boxes have b! ways, which are too many beyond 24
_NO_PRIORITY = np.empty((0, 0), np.float32)


class SudokuSolver:
    """Solves n×n Sudoku with boxes of ``box_height`` × ``box_width``, n = box_height · box_width.

    Args:
        box_height: Rows of a box.
        box_width: Columns of a box.
    """

    def __init__(self, box_height: int, box_width: int) -> None:
        self.size = n = box_height * box_width
        self.full = (1 << n) - 1
        cells = np.arange(n * n).reshape(n, n)
        boxes = cells.reshape(n // box_height, box_height, n // box_width, box_width).swapaxes(1, 2).reshape(n, n)
        self.units = np.concatenate([cells, cells.T, boxes])  # (3n, n) cell indices
        self.unit_of = np.empty((3, n * n), dtype=np.int64)  # the row, column and box of each cell
        for kind in range(3):
            self.unit_of[kind, self.units[kind * n : (kind + 1) * n]] = np.arange(kind * n, (kind + 1) * n)[:, None]
        together = (self.unit_of[:, :, None] == self.unit_of[:, None, :]).any(axis=0)
        np.fill_diagonal(together, False)
        peers = np.ascontiguousarray(np.nonzero(together)[1].reshape(n * n, -1))
        nothing, no_pairs = (np.empty((0, 1, 1, 1), np.int64), np.zeros((1, 1), np.int64)), np.empty((0, 2), np.int64)
        self.by_cells = Geometry(self.full, self.units, peers, *nothing, *nothing, no_pairs)
        self.by_bands = self.by_cells
        if max(box_height, box_width) <= LARGEST_SIDE:
            rows = np.ascontiguousarray(cells.reshape(-1, box_height, box_height, box_width))
            columns = np.ascontiguousarray(cells.T.reshape(-1, box_width, box_width, box_height))
            ways = _ways(box_height), _ways(box_width)
            self.by_bands = Geometry(self.full, self.units, peers, rows, ways[0], columns, ways[1], no_pairs)

    def _memory(self) -> Memory:
        """Allocates the memory of a search: one row per removed candidate, and a last one for the solution."""
        cells, boxes = self.size**2, max(self.by_bands.row_ways.shape[1], self.by_bands.column_ways.shape[1])
        stack = np.empty((cells * self.size + 2, cells), np.int64)
        return stack, np.empty(stack.shape, np.bool_), np.empty((boxes, boxes), np.int64)

    def candidates(self, digits: npt.NDArray[Any]) -> Masks:
        """Returns masks ``(B, L)`` of grids ``(B, L)`` with digits 1..n and 0 for blank."""
        bits = np.concatenate([[self.full], 1 << np.arange(self.size)])
        masks: Masks = bits[digits]
        return masks

    def rate(self, puzzles: npt.NDArray[np.uint8]) -> SearchResult:
        """Searches puzzles ``(B, L)``, 0 for blank, up to a second solution, using the bands.

        ``guesses`` is the rating of a puzzle with one solution. The search covers the whole tree, including the proof
        that there is no other solution, so the rating does not depend on the order of guesses. Each guess adds one
        branch, and all branches but one are dead ends, so the numbers of guesses and backtracks are equal.
        """
        return self.search(self.candidates(puzzles), limit=2, geometry=self.by_bands)

    def search(
        self, masks: Masks, limit: int, rng: np.random.Generator | None = None, geometry: Geometry | None = None
    ) -> SearchResult:
        """Counts solutions of ``masks (B, L)`` up to ``limit``.

        Args:
            masks: Candidate masks; not modified.
            limit: Number of solutions at which the search of a puzzle stops (2 proves uniqueness).
            rng: Random generator of the digits to guess; None guesses the smallest digit.
            geometry: ``by_bands`` uses bands, which needs fewer but costlier guesses. None guesses digits of cells.
        """
        batch, cells = masks.shape
        found, guesses = np.zeros((2, batch), np.int32)
        solution = np.zeros((batch, cells), np.int64)
        priority = np.empty((batch, 0, 0), np.float32)  # no digit comes first
        if rng is not None:
            priority = rng.random((batch, cells, self.size), dtype=np.float32)
        geometry = geometry or self.by_cells

        def run(rows: slice) -> None:
            result = found[rows], guesses[rows], solution[rows]
            search_each(self._memory(), masks[rows], limit, geometry, priority[rows], result)

        on_all_cores(run, batch)
        digits = np.bitwise_count(solution - (solution != 0)) + (solution != 0)
        return SearchResult(found, digits.astype(np.uint8), guesses)

    def random_grids(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Generates full valid grids ``(count, L)`` with digits 1..n by a search with random guesses."""
        empty = np.zeros((count, self.size**2), dtype=np.uint8)
        return self.search(self.candidates(empty), limit=1, rng=rng).solution

    def dig(
        self,
        grids: npt.NDArray[np.uint8],
        clues: int,
        rng: np.random.Generator,
        geometry: Geometry | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Blanks cells of full grids ``(B, L)`` in random order while the solution stays unique.

        A cell is blanked if the grid has no solution with another digit there. Every cell is tried once, so with
        ``clues=0`` the result is minimal: every clue is needed.

        Args:
            grids: Full grids with digits 1..n, or puzzles with 0 for blank.
            clues: Number of clues at which a grid is finished.
            rng: Random generator of the order.
            geometry: None guesses digits of cells.

        Returns:
            Digits with 0 for blank, ``(B, L)``.
        """
        puzzles = grids.astype(np.int64)
        order = rng.permuted(np.broadcast_to(np.arange(self.size**2), grids.shape), axis=1)

        def run(rows: slice) -> None:
            dig_each(self._memory(), puzzles[rows], order[rows], clues, 1, geometry or self.by_cells, _NO_PRIORITY)

        on_all_cores(run, len(grids))
        return puzzles.astype(np.uint8)


def _ways(boxes: int) -> npt.NDArray[np.int64]:
    """Returns the line of each way in each box, ``(b!, b)``."""
    return np.array(list(permutations(range(boxes))))
