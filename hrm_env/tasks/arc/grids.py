"""ARC grids: how they stand on a canvas of tokens, their symmetries, and the names of a task's variants.

Layout and names are those of the HRM reference code (``dataset/build_arc_dataset.py``), so that its data sets and ours
can be exchanged.
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
"""Of the square: none, one to three quarter turns against the clock, left-right, upside down, both diagonals."""
_INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)  # number of the symmetry that undoes each one
_NAME = re.compile(r"(?P<task>.*)_t(?P<symmetry>[0-7])_(?P<colours>0[1-9]{9})", re.DOTALL)


class Variant(NamedTuple):
    """What is done to every grid of a task: its colours change, and it is turned or mirrored.

    Attributes:
        symmetry: Its number in `SYMMETRIES`.
        colours: What each colour becomes, ``(10,)`` uint8; 0 stays.
    """

    symmetry: int
    colours: npt.NDArray[np.uint8]

    def apply(self, grid: Grid) -> Grid:
        """The grid of this variant."""
        changed: Grid = self.colours[SYMMETRIES[self.symmetry](grid)]
        return changed

    def inverse(self) -> Variant:
        """The variant that undoes this one."""
        return Variant(_INVERSE[self.symmetry], np.argsort(self.colours).astype(np.uint8))

    def name(self, task_id: str) -> str:
        """Such as ``"007bbfb7_t3_0213456789"``, the name of a task's variant in ``identifiers.json``."""
        if self is UNCHANGED:
            return task_id
        return f"{task_id}_t{self.symmetry}_{''.join(map(str, self.colours))}"


UNCHANGED = Variant(0, np.arange(NUM_COLOURS, dtype=np.uint8))


def parse_name(name: str) -> tuple[str, Variant]:
    """The task and the variant that the name of a puzzle id tells."""
    match = _NAME.fullmatch(name)
    if match is None or len(set(match["colours"])) < NUM_COLOURS:
        return name, UNCHANGED
    colours = np.array([int(digit) for digit in match["colours"]], dtype=np.uint8)
    return match["task"], Variant(int(match["symmetry"]), colours)


def undo(name: str, grid: Grid) -> Grid:
    """The original of a grid of the variant called ``name``."""
    return parse_name(name)[1].inverse().apply(grid)


def canonical(*grids: Grid) -> bytes:
    """The same bytes for all variants of these grids together, and other bytes for anything else.

    Colours are numbered in order of their first appearance, 0 apart; of the eight symmetric images the smallest counts.
    """
    return min(_relabelled([symmetry(grid) for grid in grids]) for symmetry in SYMMETRIES)


def _relabelled(grids: list[Grid]) -> bytes:
    cells = b"".join(grid.tobytes() for grid in grids)
    colours = bytes(dict.fromkeys(cells.replace(b"\0", b"")))  # in order of their first appearance
    number = bytes.maketrans(colours, bytes(range(1, 1 + len(colours))))
    return bytes(size for grid in grids for size in grid.shape) + cells.translate(number)


def place(canvas: Tokens, grid: Grid, row: int, column: int) -> None:
    """Writes a grid onto an empty canvas ``(H, W)``.

    EOS closes it off in the row below and the column to the right, where these are inside the canvas.

    Args:
        canvas: Written to.
        grid: As large as the rest of the canvas at most.
        row: Of the grid's upper left cell.
        column: Of the same.
    """
    below, right = row + grid.shape[0], column + grid.shape[1]
    canvas[row:below, column:right] = grid + np.uint8(FIRST_COLOUR)
    canvas[below : below + 1, column:right] = EOS  # an empty slice outside the canvas
    canvas[row:below, right : right + 1] = EOS


def read(inputs: Tokens, answer: Tokens) -> Grid:
    """Reads an answer's grid where the input's stands, as ``crop`` of the reference's ``arc_eval.ipynb`` does.

    Args:
        inputs: The puzzle's canvas ``(H, W)``; its first coloured cell is the corner.
        answer: The answer's canvas ``(H, W)``.

    Returns:
        The largest rectangle from the corner that holds colours alone, of several the one with the fewest rows;
        ``(0, 0)`` cells if there is none.
    """
    row, column = divmod(int(np.argmax(inputs >= FIRST_COLOUR)), inputs.shape[1])
    cells = answer[row:, column:]
    widths = np.minimum.accumulate(np.logical_and.accumulate(cells >= FIRST_COLOUR, axis=1).sum(axis=1))
    height = int(np.argmax(widths * np.arange(1, len(widths) + 1))) + 1
    width = int(widths[height - 1])
    grid: Grid = cells[: height if width else 0, :width] - np.uint8(FIRST_COLOUR)
    return grid
