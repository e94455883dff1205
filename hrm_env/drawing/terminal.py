"""A puzzle as coloured text for the terminal."""

from __future__ import annotations

from itertools import zip_longest

import numpy.typing as npt

from hrm_env.drawing.cells import Cell, Kind, Panel, Shown, panels
from hrm_env.drawing.looks import contrast, look, rgb
from hrm_env.style import Style
from hrm_env.task import PuzzleTask

_CODES = {Kind.GIVEN: "1", Kind.OPEN: "2", Kind.RIGHT: "32", Kind.WRONG: "31", Kind.UNKNOWN: "34"}


def write_puzzle(
    task: PuzzleTask,
    inputs: npt.ArrayLike,
    answer: npt.ArrayLike | None = None,
    solution: npt.ArrayLike | None = None,
    previous: npt.ArrayLike | None = None,
) -> str:
    """Writes what `draw_puzzle` draws as coloured terminal text, which stays readable without colours.

    Givens are bold, right cells green, wrong cells red, and cells changed since the previous answer underlined. Blanks
    are ``·``, and conflicts have inverse colours. A painted cell is a block of two characters; the second is ``×`` if
    the cell is wrong.

    Args:
        task: The puzzle family; its `style`, `boxes` and `conflicts` say how it is drawn.
        inputs: Tokens of the question, ``(L,)``.
        answer: Tokens of the agent's answer, ``(L,)``.
        solution: Tokens ``(L,)`` that the answer is compared with; shown only beside an answer, in panels.
        previous: Tokens of the previous answer, ``(L,)``.

    Returns:
        The lines, with ANSI colour codes.
    """
    found = panels(task, Shown(inputs, answer, solution, previous))
    if task.style.panels:
        return _side_by_side(task.style, [panel for panel in found if panel.rows])
    if task.style.paints:
        return "\n".join(_blocks(task.style, row) for row in found[0].rows)
    return _boxed(found[0], task.boxes)


def _boxed(panel: Panel, boxes: tuple[int, int]) -> str:
    box_height, box_width = boxes
    lines: list[str] = []
    for number, row in enumerate(panel.rows):
        painted = [_code(cell) for cell in row]
        parts = [" ".join(painted[start : start + box_width]) for start in range(0, len(painted), box_width)]
        if number and number % box_height == 0:
            lines.append("─┼─".join(["─" * (2 * box_width - 1)] * len(parts)))
        lines.append(" │ ".join(parts))
    return "\n".join(lines)


def _code(cell: Cell) -> str:
    code = _CODES[cell.kind] + (";7" if cell.conflict else "") + (";4" if cell.changed else "")
    return f"\x1b[{code}m{cell.char or '·'}\x1b[0m"


def _blocks(style: Style, row: list[Cell]) -> str:
    return "".join(_block(style, cell) for cell in row)


def _block(style: Style, cell: Cell) -> str:
    """Returns two characters on the cell's colour; they are invisible unless the cell has something to show."""
    seen = look(style, cell)
    wrong = cell.kind is Kind.WRONG
    char = cell.char or ("·" if seen.ring else " ")
    ink = contrast(seen.paper) if wrong or cell.changed or seen.text else seen.paper
    paper, letters = (";".join(map(str, rgb(colour))) for colour in (seen.paper, ink))
    return f"\x1b[48;2;{paper};38;2;{letters}{';4' if cell.changed else ''}m{char}{'×' if wrong else ' '}\x1b[0m"


def _side_by_side(style: Style, found: list[Panel]) -> str:
    """Writes panels under their titles, two columns apart."""
    widths = [max(2 * len(panel.rows[0]), len(panel.title)) for panel in found]
    titles = "  ".join(panel.title.ljust(width) for panel, width in zip(found, widths, strict=True))
    lines = [titles]
    for rows in zip_longest(*(panel.rows for panel in found), fillvalue=[]):
        blocks = [_blocks(style, row) + " " * (width - 2 * len(row)) for row, width in zip(rows, widths, strict=True)]
        lines.append("  ".join(blocks))
    return "\n".join(lines)
