"""Tables in the terminal: one way to make them for all commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PLAIN: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False}
"""The look of a table with a line under its head and no frame."""


def table(
    columns: Iterable[str], rows: Iterable[Sequence[str] | None], left: int = 1, wrap: bool = True, **look: Any
) -> Table:
    """Makes a table of text.

    Args:
        columns: Headers.
        rows: Cells of each row; None draws a line.
        left: Number of columns that are aligned to the left; the others are aligned to the right.
        wrap: Whether a cell that is too wide for the terminal may take several lines.
        **look: Other options of `rich.table.Table`.
    """
    made = Table(**look)
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number < left else "right", no_wrap=not wrap)
    for row in rows:
        if row is None:
            made.add_section()
        else:
            made.add_row(*row)
    return made


def console(width: int) -> Console:
    """Returns a console as wide as the terminal, or ``width`` columns wide where the output is a file or a pipe."""
    return Console(width=None if sys.stdout.isatty() else width)
