"""A picture of an episode of HRM-Halting-v0: the features and the decision after each segment, and the ending."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from hrm_env.drawing import GREEN, RED, Line, Picture, with_caption
from hrm_env.drawing.looks import DARK, FAINT, rgb
from hrm_env.drawing.picture import font
from hrm_env.envs.episode import HALT_REASONS

if TYPE_CHECKING:
    from hrm_agent.traces.halting_env import Decisions

_LABELS, _WIDTH, _HEIGHT, _ROW, _MARGIN = 130, 420, 420, 28, 10  # pixels
_LOW, _HIGH, _UNSEEN = "#0969da", "#e16f24", "#eaedf0"  # colours of −1, of 1, and of a segment not reached


class _Band(NamedTuple):
    """Rows with one colour per segment and a name at the left; ``colours`` is ``(rows, M, 3)`` uint8."""

    name: str
    colours: npt.NDArray[np.uint8]


def draw_decisions(decisions: Decisions, index: int, segment: int, reason: int) -> Picture:
    """Returns the picture of an episode; all pictures of an environment have the same size.

    A column is a segment and a row a feature: blue is −1, white 0, orange 1; segments that have not been reached are
    pale. Below, decisions to continue are grey and the decision to halt is dark. The last row is green for a right, red
    for a wrong and grey for no answer at the end of the episode.

    Args:
        decisions: Content of the episodes.
        index: Row of the puzzle.
        segment: Segments used, from 1.
        reason: Index into `hrm_env.envs.episode.HALT_REASONS`: 0 while the episode runs.

    Returns:
        ``(H, W, 3)`` uint8; H and W are even.
    """
    decided, answered = (np.full((1, decisions.max_segments, 3), rgb(_UNSEEN), np.uint8) for _ in range(2))
    decided[:, : segment - 1] = rgb(FAINT)
    ending = Line("")
    if reason:
        halts, silent = HALT_REASONS[reason] != "budget", HALT_REASONS[reason] == "abstained"
        ink, verdict = (GREEN, "right") if decisions.correct[index, segment - 1] else (RED, "wrong")
        ink, verdict = (FAINT, "abstains") if silent else (ink, verdict)
        decided[:, segment - 1] = rgb(DARK if halts else FAINT)
        answered[:, segment - 1] = rgb(ink)
        ending = Line("", f"{'halts' if halts else 'budget'}: {verdict}", ink)
    bands = [*_features(decisions, index, segment), _Band("decision", decided), _Band("answer", answered)]
    used = Line(f"Puzzle {index}", f"segment {segment} of {decisions.max_segments}")
    return with_caption(_drawn(bands), [used, ending], 16)


def _features(decisions: Decisions, index: int, segment: int) -> list[_Band]:
    """Returns a band for each feature, of one row, or of D rows for ``state``."""
    values = decisions.observations[index].T[..., None]  # (F, M, 1)
    ends = np.array([rgb(_LOW), rgb(_HIGH)], dtype=np.float64)
    colours = 255 + (ends[(values[..., 0] > 0).astype(int)] - 255) * np.abs(values)
    colours[:, segment:] = rgb(_UNSEEN)
    wide = len(values) - len(decisions.features) + 1  # rows of the only feature that may have several
    rows = [wide if name == "state" else 1 for name in decisions.features]
    parts = np.split(colours.round().astype(np.uint8), np.cumsum(rows)[:-1])
    return [_Band(name, part) for name, part in zip(decisions.features, parts, strict=True)]


def _drawn(bands: list[_Band]) -> Picture:
    """Draws the bands below each other, each with its name if there is room for it."""
    count = sum(len(band.colours) for band in bands)
    row = min(_ROW, _HEIGHT / count)
    image = Image.new("RGB", (_LABELS + _WIDTH + _MARGIN, 2 * round(row * count / 2) + 2 * _MARGIN), "white")
    draw = ImageDraw.Draw(image)
    table = np.concatenate([band.colours for band in bands])
    image.paste(
        Image.fromarray(table).resize((_WIDTH, image.height - 2 * _MARGIN), Image.Resampling.NEAREST),
        (_LABELS, _MARGIN),
    )
    top = float(_MARGIN)
    for band in bands:
        height = row * len(band.colours)
        if height >= _ROW / 2:
            draw.text((_MARGIN, top + height / 2), band.name, fill=DARK, font=font(14)[0], anchor="lm")
        top += height
    return np.array(image)
