"""The look of a cell: colours shared by pictures and terminal text."""

from __future__ import annotations

from typing import NamedTuple

from hrm_env.drawing.cells import Cell, Kind
from hrm_env.style import Style

DARK, FAINT, WHITE = "#1c2128", "#8c959f", "#ffffff"
GREEN, RED, BLUE = "#1a7f37", "#cf222e", "#0969da"
_CONFLICT = "#ffd8a8"
_WRITTEN = {  # ink and paper
    Kind.GIVEN: (DARK, "#eaedf0"),
    Kind.OPEN: (FAINT, WHITE),
    Kind.RIGHT: (GREEN, WHITE),
    Kind.WRONG: (RED, "#ffe1de"),
    Kind.UNKNOWN: (BLUE, WHITE),
}
_FILLED = {  # cells that the agent fills in, in a painted task
    Kind.GIVEN: FAINT,
    Kind.OPEN: FAINT,
    Kind.RIGHT: "#4ac26b",
    Kind.WRONG: "#f0525a",
    Kind.UNKNOWN: "#54aeff",
}


class Look(NamedTuple):
    """The look of one cell.

    Attributes:
        paper: Background colour.
        ink: Colour of text, cross and ring.
        text: Text on the cell.
        cross: Whether the cell is crossed out, because it is wrong and its colour does not show that.
        ring: Whether the cell holds a ring, because it was wrongly left empty.
    """

    paper: str
    ink: str
    text: str = ""
    cross: bool = False
    ring: bool = False


def look(style: Style, cell: Cell) -> Look:
    """Returns the look of a cell in a task's style."""
    if not style.paints:
        ink, paper = _WRITTEN[cell.kind]
        return Look(_CONFLICT if cell.conflict else paper, ink, cell.char)
    wrong = cell.kind is Kind.WRONG
    if not cell.char:
        return Look(WHITE, _FILLED[cell.kind], ring=wrong)
    if cell.char not in style.paints:
        return Look(_FILLED[cell.kind], WHITE)
    paper = _CONFLICT if cell.conflict else style.paints[cell.char]
    return Look(paper, contrast(paper), cell.char if cell.char in style.written else "", cross=wrong)


def contrast(colour: str) -> str:
    """Returns black or white, whichever contrasts more with a colour such as ``"#0074d9"`` (Rec. 601 luma)."""
    red, green, blue = rgb(colour)
    return "#000000" if 299 * red + 587 * green + 114 * blue > 140_000 else WHITE


def rgb(colour: str) -> tuple[int, int, int]:
    """Returns red, green and blue, 0 to 255, of a colour such as ``"#0074d9"``."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
