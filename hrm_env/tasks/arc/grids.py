"""ARC grids: their layout on a canvas of tokens, their symmetries, and the names of a task's variants.

Layout and names are those of the HRM reference code (``dataset/build_arc_dataset.py``), so that either code can use the
other's data sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_env.puzzles import Tokens

Grid = npt.NDArray[np.uint8]
"""Colours 0 to 9, ``(height, width)``."""

EOS = 1
FIRST_COLOUR = 2  # tokens: PAD 0, EOS 1, colour c is c + 2
NUM_COLOURS = 10
SYMMETRIES: tuple[Callable[[Grid], Grid], ...] = (
    lambda grid: grid,
    lambda grid: grid.T[::-1],
    lambda grid: grid[::-1, ::-1],
    lambda grid: grid[::-1].T,
    lambda grid: grid[:, ::-1],
    lambda grid: grid[::-1],
    lambda grid: grid.T,
    lambda grid: grid[::-1, ::-1].T,
)
"""Symmetries of the square: identity, 1 to 3 counterclockwise quarter turns, left-right, up-down, both diagonals."""
_INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)  # number of each symmetry's inverse
_NAME = re.compile(r"(?P<task>.*)_t(?P<symmetry>[0-7])_(?P<colours>0[1-9]{9})", re.DOTALL)


class Variant(NamedTuple):
    """A transformation of every grid of a task: a permutation of the colours, then a rotation or reflection.

    Attributes:
        symmetry: Number of the symmetry in `SYMMETRIES`.
        colours: New colour for each old one, ``(10,)`` uint8; 0 stays 0.
    """

    symmetry: int
    colours: npt.NDArray[np.uint8]

    def apply(self, grid: Grid) -> Grid:
        """Returns the grid of this variant."""
        changed: Grid = self.colours[SYMMETRIES[self.symmetry](grid)]
        return changed

    def inverse(self) -> Variant:
        """Returns the inverse variant."""
        return Variant(_INVERSE[self.symmetry], np.argsort(self.colours).astype(np.uint8))

    def name(self, task_id: str) -> str:
        """Returns the variant's name in ``identifiers.json``, such as ``"007bbfb7_t3_0213456789"``."""
        if self is UNCHANGED:
            return task_id
        return f"{task_id}_t{self.symmetry}_{''.join(map(str, self.colours))}"


UNCHANGED = Variant(0, np.arange(NUM_COLOURS, dtype=np.uint8))


def parse_name(name: str) -> tuple[str, Variant]:
    """Returns the task and the variant that the name of a puzzle id stands for."""
    match = _NAME.fullmatch(name)
    if match is None or len(set(match["colours"])) < NUM_COLOURS:
        return name, UNCHANGED
    colours = np.array([int(digit) for digit in match["colours"]], dtype=np.uint8)
    return match["task"], Variant(int(match["symmetry"]), colours)


def undo(name: str, grid: Grid) -> Grid:
    """Returns the original of a grid of the variant ``name``."""
    return parse_name(name)[1].inverse().apply(grid)


def canonical(*grids: Grid) -> bytes:
    """Returns bytes that all joint variants of these grids share, and no other grids have.

    Colours other than 0 are numbered in order of appearance; the result is the smallest of the eight symmetric images.
    """
    return min(_relabelled([symmetry(grid) for grid in grids]) for symmetry in SYMMETRIES)


def _relabelled(grids: list[Grid]) -> bytes:
    cells = b"".join(grid.tobytes() for grid in grids)
    colours = bytes(dict.fromkeys(cells.replace(b"\0", b"")))  # in order of appearance
    number = bytes.maketrans(colours, bytes(range(1, 1 + len(colours))))
    return bytes(size for grid in grids for size in grid.shape) + cells.translate(number)


def place(canvas: Tokens, grid: Grid, row: int, column: int) -> None:
    """Writes a grid onto an empty canvas.

    EOS fills the row below the grid and the column to its right, if these lie inside the canvas.

    Args:
        canvas: The canvas ``(H, W)`` to write to.
        grid: The grid; it must fit.
        row: Row of the grid's upper left cell.
        column: Column of the grid's upper left cell.
    """
    below, right = row + grid.shape[0], column + grid.shape[1]
    canvas[row:below, column:right] = grid + np.uint8(FIRST_COLOUR)
    canvas[below : below + 1, column:right] = EOS  # empty outside the canvas
    canvas[row:below, right : right + 1] = EOS


def read(inputs: Tokens, answer: Tokens) -> Grid:
    """Reads an answer's grid at the position of the input's grid, as ``crop`` in the reference's ``arc_eval.ipynb``.

    Args:
        inputs: The puzzle's canvas, ``(H, W)``; its first coloured cell is the corner.
        answer: The answer's canvas, ``(H, W)``.

    Returns:
        The largest rectangle from the corner that holds colours alone, with the fewest rows among equals; ``(0, 0)``
        cells if there is none.
    """
    row, column = divmod(int(np.argmax(inputs >= FIRST_COLOUR)), inputs.shape[1])
    cells = answer[row:, column:]
    widths = np.minimum.accumulate(np.logical_and.accumulate(cells >= FIRST_COLOUR, axis=1).sum(axis=1))
    height = int(np.argmax(widths * np.arange(1, len(widths) + 1))) + 1
    width = int(widths[height - 1])
    grid: Grid = cells[: height if width else 0, :width] - np.uint8(FIRST_COLOUR)
    return grid
