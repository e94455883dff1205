"""Pictures of a puzzle."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from hrm_env.drawing.cells import Cell, Kind, Panel, Shown, panels
from hrm_env.drawing.looks import DARK, WHITE, look
from hrm_env.style import Style
from hrm_env.task import PuzzleTask

Picture = npt.NDArray[np.uint8]  # (H, W, 3)

_MARGIN = 10
_WHOLE, _PANEL, _TITLE = 540, 280, 24  # pixels: longer side of a single grid and of a panel, height of a panel's title
_THICK = "#2f363d"


def draw_puzzle(
    task: PuzzleTask,
    inputs: npt.ArrayLike,
    answer: npt.ArrayLike | None = None,
    solution: npt.ArrayLike | None = None,
) -> Picture:
    """Draws a puzzle and, if given, the answer. All pictures of a task have one size.

    Written cells: givens are bold on grey, right cells are green, wrong cells are red on pale red, and cells without a
    known solution are blue. A given that the answer changes is wrong. Painted cells: the agent's cells are green, red
    or blue; a ring marks a cell wrongly left empty, and other wrong cells are crossed out. A cell in conflict is
    orange. A task without blank cells shows the question above the answer, or beside it.

    Args:
        task: The puzzle family; its `style`, `boxes` and `conflicts` say how it is drawn.
        inputs: Tokens of the question, ``(L,)``.
        answer: Tokens of the agent's answer, ``(L,)``.
        solution: Tokens ``(L,)`` that the answer is compared with; drawn only beside an answer, in panels.

    Returns:
        The picture, ``(H, W, 3)`` uint8; H and W are even, as video encoders require.
    """
    found = panels(task, Shown(inputs, answer, solution))
    if not task.style.panels:
        size = _cell_size(found[0], _WHOLE)
        height, width = len(found[0].rows), len(found[0].rows[0])
        image = Image.new("RGB", (width * size + 2 * _MARGIN, height * size + 2 * _MARGIN), WHITE)
        _draw_grid(ImageDraw.Draw(image), task.style, found[0], (_MARGIN, _MARGIN), size, task.boxes)
        return np.array(image)
    step = _PANEL + 2 * _MARGIN
    image = Image.new("RGB", (len(found) * step, step + _TITLE), WHITE)
    draw = ImageDraw.Draw(image)
    for number, panel in enumerate(found):
        middle = number * step + step // 2
        draw.text((middle, _MARGIN + _TITLE // 2), panel.title, fill=DARK, font=font(16)[0], anchor="mm")
        if panel.rows:
            size = _cell_size(panel, _PANEL)
            height, width = len(panel.rows), len(panel.rows[0])
            corner = (middle - width * size // 2, _TITLE + step // 2 - height * size // 2)
            _draw_grid(draw, task.style, panel, corner, size, (height, width))
    return np.array(image)


def side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Joins pictures of one size: wide ones in a column, all others in a row."""
    height, width, _ = pictures[0].shape
    return np.concatenate(pictures, axis=0 if width > height else 1)


def _cell_size(panel: Panel, pixels: int) -> int:
    """Returns the pixels of a cell, an even number so that the picture's sides are even."""
    longer = max(len(panel.rows), len(panel.rows[0]))
    return max(2, pixels // longer // 2 * 2)


def _draw_grid(
    draw: ImageDraw.ImageDraw, style: Style, panel: Panel, corner: tuple[int, int], size: int, boxes: tuple[int, int]
) -> None:
    left, top = corner
    for row, cells in enumerate(panel.rows):
        for column, cell in enumerate(cells):
            _draw_cell(draw, style, cell, left + column * size, top + row * size, size)
    _draw_lines(draw, style, (len(panel.rows), len(panel.rows[0])), corner, size, boxes)


def _draw_cell(draw: ImageDraw.ImageDraw, style: Style, cell: Cell, x: int, y: int, size: int) -> None:
    paper, ink, text, cross, ring = look(style, cell)
    draw.rectangle((x, y, x + size, y + size), fill=paper)
    if text:
        face, capital = font(size * (17 if style.paints else 11) // 20)
        bold = int(cell.kind is Kind.GIVEN and not style.paints)  # the font has no bold face, so a thicker stroke
        draw.text((x + size / 2, y + (size + capital) / 2), text, fill=ink, font=face, anchor="ms", stroke_width=bold)
    inset, width = size // 4, max(1, size // 9)
    near, far = (x + inset, y + inset), (x + size - inset, y + size - inset)
    if cross:
        draw.line((*near, *far), fill=ink, width=width)
        draw.line((near[0], far[1], far[0], near[1]), fill=ink, width=width)
    if ring:
        draw.ellipse((*near, *far), outline=ink, width=width)


def _draw_lines(
    draw: ImageDraw.ImageDraw,
    style: Style,
    shape: tuple[int, int],
    corner: tuple[int, int],
    size: int,
    boxes: tuple[int, int],
) -> None:
    """Draws lines around cells and boxes, the thick ones over the thin ones."""
    (height, width), (left, top) = shape, corner
    bottom, right = top + height * size, left + width * size
    for thickness, ink in ((1, style.line), (3, _THICK)):
        reach = thickness // 2
        for row in range(height + 1):
            if ink and (row % boxes[0] == 0) == (thickness == 3):
                y = top + row * size
                draw.line((left - reach, y, right + reach, y), fill=ink, width=thickness)
        for column in range(width + 1):
            if ink and (column % boxes[1] == 0) == (thickness == 3):
                x = left + column * size
                draw.line((x, top - reach, x, bottom + reach), fill=ink, width=thickness)


@lru_cache
def font(size: int) -> tuple[ImageFont.ImageFont | ImageFont.FreeTypeFont, float]:
    """Returns Pillow's own font, and the height of its capitals and digits in pixels."""
    face = ImageFont.load_default(size)
    return face, -face.getbbox("8", anchor="ls")[1]
