"""Places labels beside curves so that they cover neither each other nor the curves."""

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
_GRAIN = 5.0  # pixels between the sample points of a curve
_LEADER_FROM = 14.0  # labels further away get a leader line


@dataclass(frozen=True)
class Label:
    """The label of a curve.

    Attributes:
        text: Its text.
        points: Points of the curve beside which it may stand, ``(P, 2)`` in data coordinates.
        colour: Colour of text and leader line.
    """

    text: str
    points: Points
    colour: str


def place_labels(axes: Axes, labels: Sequence[Label], curves: Sequence[Points], size: float = 8.0) -> list[Annotation]:
    """Places labels one after another, each where it covers least and is nearest to its curve.

    This call fixes the layout of the figure: later drawing must not move the axes.

    Args:
        axes: Axes with all curves.
        labels: Labels in order of priority.
        curves: Curves to keep clear: polylines ``(P, 2)`` in data coordinates.
        size: Font size.

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
        text = axes.annotate(label.text, (0.5, 0.5), xycoords="axes fraction", fontsize=size)
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
    """Returns the point of the curve and the centre of the label with the least cost, in pixels."""
    way = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1)
    # distances are measured to the edge of the label, not to its centre
    reach = np.min(half / np.maximum(np.abs(way), 1e-9), -1)
    offsets = way[:, None] * (reach[:, None, None] + np.array(_DISTANCES)[:, None] * scale)
    centres = (anchors[:, None, None] + offsets).reshape(-1, 2)
    distances = np.tile(_DISTANCES, len(anchors) * len(_ANGLES))
    ties = np.repeat(anchors, offsets[..., 0].size, axis=0)
    chosen = int(np.argmin(distances + _hidden(ties, centres, half, frame, ink, taken)))
    return ties[chosen], centres[chosen]


def _hidden(ties: Points, centres: Points, half: Points, frame: Points, ink: Points, taken: Sequence[Points]) -> Points:
    """Returns the cost ``(C,)`` of what a label at each of ``centres (C, 2)`` and its leader line would cover."""
    low, high = centres - half, centres + half
    cost = 1e6 * ((low < frame[0]).any(1) | (high > frame[1]).any(1)) + 1e6 * ~_within(ties, frame)
    line = np.linspace(ties, centres, 9)
    for box in taken:
        cost += 1e5 * ((low < box[1]) & (high > box[0])).all(1) + 100.0 * _within(line, box).any(0)
    return np.asarray(cost + 40.0 * ((ink > low[:, None]) & (ink < high[:, None])).all(2).sum(1))


def _within(points: Points, box: Points) -> npt.NDArray[np.bool_]:
    return np.asarray(((points > box[0]) & (points < box[1])).all(-1))


def _samples(line: Points, step: float = _GRAIN) -> Points:
    """Returns points along a polyline, at most ``step`` pixels apart."""
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
        arrowprops=leader,
    )
