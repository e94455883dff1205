"""Drawings of a puzzle on a grid: a picture, and coloured text for the terminal."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from hrm_env.task import PAD_ID, PuzzleTask

_MARGIN = 10
_THIN, _THICK = (1, "#c3c9d0"), (3, "#2f363d")  # width and colour of lines between cells, between boxes


class Kind(Enum):
    """What a cell is, and how it looks: terminal code, colour of the character, colour of the cell."""

    GIVEN = ("1", "#1c2128", "#eaedf0")
    OPEN = ("2", "#8c959f", "#ffffff")
    RIGHT = ("32", "#1a7f37", "#ffffff")
    WRONG = ("31", "#cf222e", "#ffe1de")
    UNKNOWN = ("34", "#0969da", "#ffffff")


class Cell(NamedTuple):
    """One drawn cell.

    Attributes:
        char: Its character, empty for a blank.
        kind: What it is.
        changed: Whether the answer differs from the previous one.
    """

    char: str
    kind: Kind
    changed: bool


def draw_grid(
    task: PuzzleTask,
    inputs: npt.ArrayLike,
    answer: npt.ArrayLike | None = None,
    solution: npt.ArrayLike | None = None,
) -> npt.NDArray[np.uint8]:
    """A picture of a puzzle and, where there is one, of the answer.

    Givens stand bold on grey, right cells green, wrong ones red on pale red, and blue where no solution is known; a
    given that the answer changes is wrong. A task without blank cells shows the question above the answer.

    Args:
        task: The puzzle family.
        inputs: Tokens ``(L,)``.
        answer: Tokens ``(L,)``.
        solution: Tokens ``(L,)`` that the answer is compared to; they are not shown.

    Returns:
        ``(H, W, 3)`` uint8; H and W are even, as video encoders want.
    """
    rows = _rows(task, inputs, answer, solution)
    height, width = len(rows), len(rows[0])
    size = min(60, max(16, 480 // max(height, width) // 2 * 2))  # even; a big puzzle still fits on a screen
    image = Image.new("RGB", (width * size + 2 * _MARGIN, height * size + 2 * _MARGIN), "#ffffff")
    draw = ImageDraw.Draw(image)
    font, capital = _font(size * 11 // 20)
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            x, y = _MARGIN + column * size, _MARGIN + row * size
            _, ink, paper = cell.kind.value
            draw.rectangle((x, y, x + size, y + size), fill=paper)
            bold = 1 if cell.kind is Kind.GIVEN else 0  # the font has no bold face: a thicker stroke
            middle = (x + size / 2, y + (size + capital) / 2)
            draw.text(middle, cell.char, fill=ink, font=font, anchor="ms", stroke_width=bold)
    _draw_lines(draw, height, width, size, task.boxes)
    return np.array(image)


def _draw_lines(draw: ImageDraw.ImageDraw, height: int, width: int, size: int, boxes: tuple[int, int]) -> None:
    """Lines around cells and boxes; the thick ones last, so that they lie over the thin ones."""
    bottom, right = _MARGIN + height * size, _MARGIN + width * size
    for thickness, ink in (_THIN, _THICK):
        start, reach = _MARGIN - thickness // 2, thickness // 2
        for row in range(height + 1):
            if (row % boxes[0] == 0) == (thickness == _THICK[0]):
                y = _MARGIN + row * size
                draw.line((start, y, right + reach, y), fill=ink, width=thickness)
        for column in range(width + 1):
            if (column % boxes[1] == 0) == (thickness == _THICK[0]):
                x = _MARGIN + column * size
                draw.line((x, start, x, bottom + reach), fill=ink, width=thickness)


@lru_cache
def _font(size: int) -> tuple[ImageFont.ImageFont | ImageFont.FreeTypeFont, float]:
    """Pillow's own font, and the height of its capitals and digits in pixels."""
    font = ImageFont.load_default(size)
    return font, -font.getbbox("8", anchor="ls")[1]


def write_grid(
    task: PuzzleTask,
    inputs: npt.ArrayLike,
    answer: npt.ArrayLike | None = None,
    solution: npt.ArrayLike | None = None,
    previous: npt.ArrayLike | None = None,
) -> str:
    """Coloured terminal text, in the colours of `draw_grid`; blanks are ``·``.

    Args:
        task: The puzzle family.
        inputs: Tokens ``(L,)``.
        answer: Tokens ``(L,)``.
        solution: Tokens ``(L,)`` that the answer is compared to; they are not shown.
        previous: The answer before, ``(L,)``: cells that changed since are underlined.
    """
    box_height, box_width = task.boxes
    lines: list[str] = []
    for row, cells in enumerate(_rows(task, inputs, answer, solution, previous)):
        painted = [_paint(cell) for cell in cells]
        boxes = [" ".join(painted[start : start + box_width]) for start in range(0, len(painted), box_width)]
        if row and row % box_height == 0:
            lines.append("─┼─".join(["─" * (2 * box_width - 1)] * len(boxes)))
        lines.append(" │ ".join(boxes))
    return "\n".join(lines)


def _paint(cell: Cell) -> str:
    return f"\x1b[{cell.kind.value[0]}{';4' if cell.changed else ''}m{cell.char or '·'}\x1b[0m"


def _rows(
    task: PuzzleTask,
    inputs: npt.ArrayLike,
    answer: npt.ArrayLike | None,
    solution: npt.ArrayLike | None,
    previous: npt.ArrayLike | None = None,
) -> list[list[Cell]]:
    """The drawn cells, row by row: of a task without blanks first the question's, then the answer's."""
    length, width = task.spec.seq_len, task.spec.width
    asked = np.asarray(inputs).tolist()
    nothing: list[int | None] = [None] * length
    answers, solutions, before = (
        nothing if tokens is None else np.asarray(tokens).tolist() for tokens in (answer, solution, previous)
    )
    cells = []
    if task.blank is None:
        cells = [_cell(task, token, None, None, None) for token in asked]
        asked = [task.blank_id] * length
    cells += [_cell(task, *tokens) for tokens in zip(asked, answers, solutions, before, strict=True)]
    return [cells[start : start + width] for start in range(0, len(cells), width)]


def _cell(task: PuzzleTask, asked: int, answer: int | None, solution: int | None, before: int | None) -> Cell:
    shown = asked if answer is None else answer
    if asked != task.blank_id:
        kind = Kind.GIVEN if shown == asked else Kind.WRONG
    elif answer is None:
        kind = Kind.OPEN
    elif solution is None or solution == PAD_ID:
        kind = Kind.UNKNOWN
    else:
        kind = Kind.RIGHT if answer == solution else Kind.WRONG
    char = "" if shown == task.blank_id else task.decode([shown])
    return Cell(char, kind, changed=before is not None and before != answer)
