"""Captions: lines of text below a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from hrm_env.drawing.looks import DARK, WHITE
from hrm_env.drawing.picture import Picture, font

_MARGIN, _LINE = 12, 26


class Line(NamedTuple):
    """One line of a caption.

    Attributes:
        left: Text at the left margin.
        right: Text at the right margin.
        ink: Colour of the right text.
    """

    left: str
    right: str = ""
    ink: str = DARK


def with_caption(picture: Picture, lines: Sequence[Line], letters: int | None = None) -> Picture:
    """Returns a picture with lines of text below. Its size depends on the number of lines alone.

    Args:
        picture: The picture, ``(H, W, 3)`` uint8.
        lines: Lines from top to bottom.
        letters: Font size in pixels; None fits it to the picture's width.
    """
    height, width, _ = picture.shape
    face, _ = font(letters or min(18, width // 26))
    image = Image.new("RGB", (width, height + _LINE * len(lines) + _MARGIN), WHITE)
    image.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        y = height + _LINE * number + _LINE // 2
        for text, x, anchor, ink in ((line.left, _MARGIN, "lm", DARK), (line.right, width - _MARGIN, "rm", line.ink)):
            draw.text((x, y), text, fill=ink, font=face, anchor=anchor)
    return np.array(image)
