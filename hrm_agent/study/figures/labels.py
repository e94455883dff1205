"""Puts labels beside curves so that they hide neither each other nor the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.text import Annotation

Points = npt.NDArray[np.float64]

_DISTANCES = (7.0, 12.0, 20.0, 30.0, 44.0, 60.0, 80.0)  # from the curve, in typographic points
_ANGLES = np.arange(0, 360, 15) * np.pi / 180
_GRAIN = 5.0  # pixels between the points that stand for a curve
_LEADER_FROM = 14.0  # labels further away than this are tied to their point by a line


@dataclass(frozen=True)
class Label:
    """A text that belongs to a curve.

    Attributes:
        text: What it says.
        points: Where it may stand beside: points of the curve, ``(P, 2)`` in data coordinates.
        colour: Of text and leader line.
        weight: Of the font.
    """

    text: str
    points: Points
    colour: str
    weight: str = "normal"


def place_labels(axes: Axes, labels: Sequence[Label], curves: Sequence[Points], size: float = 8.0) -> list[Annotation]:
    """Writes the labels, one after the other, each where it hides least and stands nearest to its curve.

    The figure's layout is settled by this call: what is drawn later may not move the axes.

    Args:
        axes: Where all curves are drawn already.
        labels: The first choose first.
        curves: All that should not be hidden: polylines ``(P, 2)`` in data coordinates.
        size: Of the font.

    Returns:
        The annotations.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()
    figure.set_layout_engine("none")
    scale = figure.dpi / 72
    frame = axes.get_window_extent().get_points()
    ink = np.concatenate([_samples(axes.transData.transform(curve)) for curve in curves])
    ink = np.unique(np.round(ink[_within(ink, frame)] / _GRAIN), axis=0) * _GRAIN
    taken: list[Points] = []
    annotations = []
    for label in labels:
        text = axes.annotate(label.text, (0.5, 0.5), xycoords="axes fraction", fontsize=size, fontweight=label.weight)
        extent = text.get_window_extent()
        text.remove()
        half = np.array([extent.width, extent.height]) / 2 + 1.5 * scale
        anchor, centre = _best(axes.transData.transform(label.points), half, scale, frame, ink, taken)
        taken.append(np.stack([centre - half, centre + half]))
        ink = np.concatenate([ink, np.linspace(anchor, centre, 12)])
        annotations.append(_write(axes, label, anchor, centre, half, scale, size))
    return annotations


def _best(
    anchors: Points, half: Points, scale: float, frame: Points, ink: Points, taken: Sequence[Points]
) -> tuple[Points, Points]:
    """The point of the curve and the centre of the label beside it that cost least, in pixels."""
    way = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1)
    # the box's edge, not its centre, keeps the distance
    reach = np.min(half / np.maximum(np.abs(way), 1e-9), -1)
    offsets = way[:, None] * (reach[:, None, None] + np.array(_DISTANCES)[:, None] * scale)
    centres = (anchors[:, None, None] + offsets).reshape(-1, 2)
    distances = np.tile(_DISTANCES, len(anchors) * len(_ANGLES))
    ties = np.repeat(anchors, offsets[..., 0].size, axis=0)
    chosen = int(np.argmin(distances + _hidden(ties, centres, half, frame, ink, taken)))
    return ties[chosen], centres[chosen]


def _hidden(ties: Points, centres: Points, half: Points, frame: Points, ink: Points, taken: Sequence[Points]) -> Points:
    """What a label at each of ``centres (C, 2)`` and the line to its tie would hide, as a cost: ``(C,)``."""
    low, high = centres - half, centres + half
    cost = 1e6 * ((low < frame[0]).any(1) | (high > frame[1]).any(1) | ~_within(ties, frame))
    line = np.linspace(ties, centres, 9)
    for box in taken:
        cost += 1e5 * ((low < box[1]) & (high > box[0])).all(1) + 100.0 * _within(line, box).any(0)
    return np.asarray(cost + 40.0 * ((ink > low[:, None]) & (ink < high[:, None])).all(2).sum(1))


def _within(points: Points, box: Points) -> npt.NDArray[np.bool_]:
    return np.asarray(((points > box[0]) & (points < box[1])).all(-1))


def _samples(line: Points, step: float = _GRAIN) -> Points:
    """Points along a polyline, at most ``step`` pixels apart."""
    parts = [line[:1]]
    for start, end in pairwise(line):
        count = max(2, int(np.hypot(*(end - start)) / step) + 1)
        parts.append(start + np.linspace(0, 1, count)[:, None] * (end - start))
    return np.concatenate(parts)


def _write(
    axes: Axes, label: Label, anchor: Points, centre: Points, half: Points, scale: float, size: float
) -> Annotation:
    gap = np.hypot(*np.maximum(np.abs(centre - anchor) - half, 0)) / scale
    leader = (
        {"arrowstyle": "-", "color": label.colour, "lw": 0.6, "shrinkA": 0, "shrinkB": 2}
        if gap > _LEADER_FROM
        else None
    )
    return axes.annotate(
        label.text,
        tuple(axes.transData.inverted().transform(anchor)),
        xytext=tuple((centre - anchor) / scale),
        textcoords="offset points",
        ha="center",
        va="center",
        color=label.colour,
        fontsize=size,
        fontweight=label.weight,
        arrowprops=leader,
    )
