"""The drawing style of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Style:
    """How the cells of a task look. The default writes every character, as in a Sudoku.

    Attributes:
        paints: Colour of each character that is painted instead of written, such as ``{"#": "#2f363d"}``. If any
            character is painted, the agent fills in the others, and their colour shows whether they are right.
        written: Painted characters that are also written on their colour.
        line: Colour of the thin lines between cells; None draws none.
        panels: Draw question, answer and solution side by side, each cropped to its painted grid.
    """

    paints: Mapping[str, str] = field(default_factory=dict)
    written: str = ""
    line: str | None = "#c3c9d0"
    panels: bool = False
