"""How a task wants its puzzles drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Style:
    """How the cells of a task look; the default writes every character, as in a Sudoku.

    Attributes:
        paints: Colour of each character that is painted instead of written, such as ``{"#": "#2f363d"}``. In a task
            that paints, the other characters are what the agent fills in, painted by whether they are right.
        written: The painted characters that are written on their colour.
        line: Colour of the thin lines between cells; None draws none.
        panels: Puzzles are grids of paint that fill a part of the canvas: question, answer and solution are cropped to
            theirs and stand side by side.
    """

    paints: Mapping[str, str] = field(default_factory=dict)
    written: str = ""
    line: str | None = "#c3c9d0"
    panels: bool = False
