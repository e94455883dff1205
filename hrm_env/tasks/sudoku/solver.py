"""A Sudoku solver for many grids at once: candidate bit masks, constraint propagation, search.

Grids lie batch-last, ``(L, S)``, so that every numpy operation runs over long contiguous rows. A cell holds the bit
mask of the digits it may still take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_env.tasks.sudoku.bands import Bands, Masks, bands_of, split_tightest

WIDE = 8192  # open branches that are searched at once; where there are more, the newest of each puzzle


class SearchResult(NamedTuple):
    """What a search found for each of B puzzles.

    Attributes:
        found: Number of solutions met, at most the limit, ``(B,)``.
        solution: Digits 1..n of the last solution met, ``(B, L)``; zeros where there is none.
        guesses: Branchings made, ``(B,)``: 0 where propagation alone settles the puzzle.
    """

    found: npt.NDArray[np.int32]
    solution: npt.NDArray[np.uint8]
    guesses: npt.NDArray[np.int32]


class SudokuSolver:
    """Solves n×n Sudoku with boxes of ``box_height`` × ``box_width``, n = box_height · box_width.

    Args:
        box_height: Rows of a box.
        box_width: Columns of a box.
    """

    def __init__(self, box_height: int, box_width: int) -> None:
        self.size = n = box_height * box_width
        self.dtype = np.min_scalar_type(n << (n - 1))  # holds the sum of the n masks of a unit
        self.full = self.dtype.type((1 << n) - 1)
        cells = np.arange(n * n).reshape(n, n)
        boxes = cells.reshape(n // box_height, box_height, n // box_width, box_width).swapaxes(1, 2).reshape(n, n)
        self.units = np.concatenate([cells, cells.T, boxes])  # (3n, n) cell indices
        unit_of = np.empty((3, n * n), dtype=np.int64)
        for kind in range(3):
            unit_of[kind, self.units[kind * n : (kind + 1) * n]] = np.arange(kind * n, (kind + 1) * n)[:, None]
        self.unit_of = unit_of  # (3, L): the row, column and box of each cell
        self.bands = bands_of(box_height, box_width)

    def candidates(self, digits: npt.NDArray[Any]) -> Masks:
        """Masks ``(L, B)`` of grids ``(B, L)`` with digits 1..n and 0 for blank."""
        bits = np.concatenate([[int(self.full)], 1 << np.arange(self.size)]).astype(self.dtype)
        return np.ascontiguousarray(bits[digits].T)

    def propagate(self, masks: Masks, bands: Sequence[Bands] = ()) -> npt.NDArray[np.bool_]:
        """Applies naked and hidden singles, and what bands exclude, to masks ``(L, S)`` in place until nothing changes.

        Returns:
            Which grids are still possible, ``(S,)`` bool.
        """
        alive = np.ones(masks.shape[1], dtype=np.bool_)
        active = np.arange(masks.shape[1])
        while active.size:
            before = masks[:, active]
            after, possible = self._pass(before)
            quiet = possible & (after == before).all(axis=0)
            if bands and quiet.any():  # the costlier rule only where the others say nothing more
                settled = after[:, quiet]
                for kind in bands:
                    kind.restrict(settled)
                after[:, quiet] = settled
            masks[:, active] = after
            alive[active] = possible
            active = active[possible & (after != before).any(axis=0)]
        return alive

    def _pass(self, masks: Masks) -> tuple[Masks, npt.NDArray[np.bool_]]:
        """One round of naked and hidden singles: new masks, and which grids met no contradiction."""
        row, column, box = self.unit_of
        single = (masks & (masks - 1)) == 0
        in_units = np.where(single, masks, 0)[self.units.T]  # (n, 3n, S)
        settled = np.bitwise_or.reduce(in_units, axis=0)
        possible = (np.add.reduce(in_units, axis=0, dtype=self.dtype) == settled).all(axis=0)  # no digit settled twice
        masks = np.where(single, masks, masks & ~(settled[row] | settled[column] | settled[box]))

        once = np.zeros_like(settled)
        twice = np.zeros_like(settled)
        for cell in self.units.T:
            twice |= once & masks[cell]
            once |= masks[cell]
        possible &= (once == self.full).all(axis=0) & (masks != 0).all(axis=0)
        lone = once & ~twice
        hidden = masks & (lone[row] | lone[column] | lone[box])
        possible &= ((hidden & (hidden - (hidden != 0))) == 0).all(axis=0)  # a cell that two digits need
        return np.where(hidden != 0, hidden, masks), possible

    def rate(self, puzzles: npt.NDArray[np.uint8]) -> SearchResult:
        """Searches puzzles ``(B, L)``, 0 for blank, up to a second solution, with the help of the bands.

        A puzzle with one solution is rated by ``guesses``. Its whole tree is searched, the proof that there is no other
        solution included, so no order of guessing matters; each guess adds one branch, and all but one of the branches
        are dead ends, so guesses and backtracks are the same number.
        """
        return self.search(self.candidates(puzzles), limit=2, bands=self.bands)

    def search(
        self, masks: Masks, limit: int, rng: np.random.Generator | None = None, bands: Sequence[Bands] = ()
    ) -> SearchResult:
        """Counts solutions of ``masks (L, B)`` up to ``limit``, all puzzles in lockstep.

        For the first solution it goes depth-first. For more, which mostly means the whole tree, it goes breadth-first
        unless branches are many, so that the hardest puzzles take few rounds.

        Args:
            masks: Candidate masks; left unchanged.
            limit: Stop a puzzle at this many solutions (2 proves uniqueness).
            rng: Draws the digit to guess; without it the smallest is guessed.
            bands: Apply what these exclude, and guess in them: fewer guesses, which cost more.
        """
        batch = masks.shape[1]
        result = SearchResult(
            np.zeros(batch, np.int32), np.zeros((batch, len(masks)), np.uint8), np.zeros(batch, np.int32)
        )
        stack, owner = masks, np.arange(batch)  # each puzzle's newest grid stands last among its own
        while owner.size:
            newest = owner.size - 1 - np.unique(owner[::-1], return_index=True)[1]
            top = np.arange(owner.size) if limit > 1 and owner.size <= WIDE else newest
            grids, whose = stack[:, top].copy(), owner[top]
            alive = self.propagate(grids, bands)
            solved = alive & ((grids & (grids - 1)) == 0).all(axis=0)
            np.add.at(result.found, whose[solved], 1)
            result.solution[whose[solved]] = np.bitwise_count(grids[:, solved] - 1).T + 1
            open_ = alive & ~solved
            np.add.at(result.guesses, whose[open_], 1)
            unsolved = grids[:, open_]
            other, guess = split_tightest(bands, unsolved) if bands else self._split_cell(unsolved, rng)
            rest = np.ones(owner.size, dtype=np.bool_)
            rest[top] = False
            stack = np.concatenate([stack[:, rest], other, guess], axis=1)
            owner = np.concatenate([owner[rest], whose[open_], whose[open_]])
            wanted = result.found[owner] < limit
            stack, owner = stack[:, wanted], owner[wanted]
        np.minimum(result.found, limit, out=result.found)
        return result

    def _split_cell(self, grids: Masks, rng: np.random.Generator | None) -> tuple[Masks, Masks]:
        """Splits each grid at its most constrained cell: (the cell without a digit, the cell with just that digit)."""
        count = np.bitwise_count(grids)
        cell = np.where(count == 1, 255, count).argmin(axis=0)
        columns = np.arange(grids.shape[1])
        mask = grids[cell, columns]
        if rng is not None:
            bits = (mask[None] >> np.arange(self.size)[:, None]) & 1
            mask = (1 << (bits * rng.random(bits.shape)).argmax(axis=0)).astype(self.dtype)
        digit = mask & ~(mask - 1)
        other, guess = grids.copy(), grids.copy()
        other[cell, columns] &= ~digit
        guess[cell, columns] = digit
        return other, guess

    def random_grids(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Full valid grids ``(count, L)`` with digits 1..n, by a search that guesses at random."""
        empty = np.zeros((count, self.size**2), dtype=np.uint8)
        return self.search(self.candidates(empty), limit=1, rng=rng).solution

    def dig(self, grids: npt.NDArray[np.uint8], clues: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Blanks cells of full grids ``(B, L)`` in random order while the solution stays unique.

        A cell may go if the grid has no solution with another digit there. Every cell is tried once, so with
        ``clues=0`` the result is minimal: no clue can be spared.

        Args:
            grids: Full grids with digits 1..n.
            clues: Stop a grid that has only this many left.
            rng: Draws the order.

        Returns:
            Digits with 0 for blank, ``(B, L)``.
        """
        puzzles = grids.copy()
        order = rng.permuted(np.broadcast_to(np.arange(self.size**2), grids.shape), axis=1)
        for cell in order.T:
            rows = np.flatnonzero((puzzles != 0).sum(axis=1) > clues)
            if not rows.size:
                break
            masks = self.candidates(puzzles[rows])
            columns = np.arange(rows.size)
            masks[cell[rows], columns] = self.full & ~masks[cell[rows], columns]
            spare = rows[self.search(masks, limit=1).found == 0]
            puzzles[spare, cell[spare]] = 0
        return puzzles
