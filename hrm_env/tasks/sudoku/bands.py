"""How a digit can lie in a band of a Sudoku: the larger steps of the solver.

A band is a row of boxes, or a column of them. A digit takes another line of the band in each of its boxes, a
permutation, here called a way; bands and ways are what the solver tdoku reasons with (github.com/t-dillon/tdoku).
Cells that no way of a digit passes through cannot hold it ("locked candidates"), and guessing among the ways of a
digit takes fewer guesses than guessing the digit of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

Masks = npt.NDArray[np.unsignedinteger[Any]]
LARGEST_SIDE = 4  # b boxes have b! ways: of no use beyond 24


class Bands:
    """The bands of one direction; masks lie batch-last, ``(L, S)``, as in the solver.

    Args:
        cells: Cell indices, ``(bands, b lines, b boxes, cells of a line in a box)``.
    """

    def __init__(self, cells: npt.NDArray[np.int64]) -> None:
        self.cells = cells
        self.size = cells.shape[0] * cells.shape[1]
        self.boxes = np.arange(cells.shape[1])
        self.lines = np.array(list(permutations(self.boxes)))  # (b!, b): the line that each way takes in each box
        passes = self.boxes[:, None] == self.lines[:, None]
        self.passes = passes.reshape(len(passes), -1).astype(np.int64)  # (b!, b·b): way through line and box

    def ways(self, masks: Masks) -> Masks:
        """The digits that can still go each way, ``(bands, b!, S)``."""
        crossings = np.bitwise_or.reduce(masks[self.cells], axis=3)
        ways: Masks = np.bitwise_and.reduce(crossings[:, self.lines, self.boxes], axis=2)
        return ways

    def restrict(self, masks: Masks) -> None:
        """Takes away, in place, the digits of cells that none of their ways passes through, or that others fill."""
        ways = self.ways(masks)
        allowed = np.zeros((*self.cells.shape[:3], masks.shape[1]), dtype=masks.dtype)  # in each line of each box
        for number, lines in enumerate(self.lines):
            allowed[:, lines, self.boxes] |= ways[:, number, None]
        once, twice = np.zeros_like(allowed[:, 0]), np.zeros_like(allowed[:, 0])
        for line in self.boxes:
            twice |= once & allowed[:, line]
            once |= allowed[:, line]
        bound = allowed & ~twice[:, None]  # digits that have no other line in the box
        spare = self.cells.shape[3] - np.bitwise_count(bound).astype(np.int8)
        allowed = np.where(spare > 0, allowed, np.where(spare == 0, bound, 0))
        masks[self.cells] &= allowed[:, :, :, None]

    def split(self, grids: Masks, band: npt.NDArray[np.int64]) -> tuple[Masks, Masks]:
        """Splits each grid in one of its bands, at the digit with the fewest ways (at least two).

        Args:
            grids: ``(L, S)``; left unchanged.
            band: Which, ``(S,)``; one of its digits has several ways.

        Returns:
            The grids without some ways of that digit, and the grids without its others.
        """
        columns = np.arange(len(band))
        digits = self.ways(grids)[band, :, columns]  # (S, b!)
        open_to = (digits[:, None] >> np.arange(self.size, dtype=digits.dtype)[:, None]) & 1  # (S, n, b!)
        number = open_to.sum(axis=2, dtype=np.int64)
        digit = np.where(number > 1, number, len(self.lines) + 1).argmin(axis=1)
        ways = open_to[columns, digit].astype(np.int64)
        through = ways @ self.passes
        pivot = ((through > 0) & (through < number[columns, digit, None])).argmax(axis=1)  # parts the ways
        chosen = self.passes[:, pivot].T
        bit = (1 << digit).astype(grids.dtype)
        return self._keep(grids, band, bit, ways * (1 - chosen)), self._keep(grids, band, bit, ways * chosen)

    def _keep(self, grids: Masks, band: npt.NDArray[np.int64], bit: Masks, ways: npt.NDArray[np.int64]) -> Masks:
        """The grids whose digit ``bit (S,)`` has no other ways left in the band than ``ways (S, b!)``."""
        kept = grids.copy()
        barred = np.where(ways @ self.passes > 0, 0, bit[:, None]).astype(grids.dtype)  # (S, b·b)
        cells = self.cells[band].reshape(len(band), len(self.boxes) ** 2, self.cells.shape[3])
        kept[cells, np.arange(len(bit))[:, None, None]] &= ~barred[..., None]
        return kept


def bands_of(box_height: int, box_width: int) -> list[Bands]:
    """The bands of both directions; none where their ways are too many."""
    if max(box_height, box_width) > LARGEST_SIDE:
        return []
    size = box_height * box_width
    cells = np.arange(size**2).reshape(size, size)
    return [
        Bands(cells.reshape(-1, box_height, box_height, box_width)),
        Bands(cells.T.reshape(-1, box_width, box_width, box_height)),
    ]


def split_tightest(bands: Sequence[Bands], grids: Masks) -> tuple[Masks, Masks]:
    """Splits each unsolved grid in the band, of both directions, where the digits have the fewest ways together.

    Args:
        bands: Those of `bands_of`.
        grids: ``(L, S)``, restricted; left unchanged.

    Returns:
        Both halves of each grid, ``(L, S)`` each.
    """
    total = np.concatenate([np.bitwise_count(kind.ways(grids)).sum(axis=1, dtype=np.int64) for kind in bands])
    tightest = np.where(total > bands[0].size, total, np.iinfo(np.int64).max).argmin(axis=0)
    one, other = grids.copy(), grids.copy()
    first = 0
    for kind in bands:
        mine = np.flatnonzero((tightest >= first) & (tightest < first + len(kind.cells)))
        one[:, mine], other[:, mine] = kind.split(grids[:, mine], tightest[mine] - first)
        first += len(kind.cells)
    return one, other
