"""Accuracy against mean segments: a point for every policy, a line for every sweep, and the frontier."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from hrm_agent.halting import rule_of
from hrm_agent.study.families import COLOURS
from hrm_agent.study.figures.labels import Label, place_labels
from hrm_agent.study.figures.style import FAINT, INK, accuracy_axis, house_style, new_figure
from hrm_agent.study.table import Row

Points = npt.NDArray[np.float64]

_SEGMENTS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64)


@house_style()
def frontier_figure(rows: Sequence[Row], reference: str) -> Figure:
    """Draws all policies; lines join the sweep of a rule and carry its name.

    Filled points lie on the frontier, which bounds the shaded region. The ring marks the reference.

    Args:
        rows: Rows of the study.
        reference: Name of the policy with the ring.
    """
    return _draw(rows, rows, reference, zoom=False)


@house_style()
def frontier_zoom_figure(rows: Sequence[Row], reference: str) -> Figure:
    """Draws the part of `frontier_figure` where the frontier approaches its best; policies on it carry their names.

    Args:
        rows: Rows of the study.
        reference: Name of the policy with the ring.
    """
    best = max(row.exact.value for row in rows)
    ceiling = 1.6 * next(row.work.value for row in rows if row.policy == reference)
    near = [row for row in rows if 1 - row.exact.value <= 8 * (1 - best) + 0.01 and row.work.value <= ceiling]
    return _draw(rows, near, reference, zoom=True)


def _draw(rows: Sequence[Row], shown: Sequence[Row], reference: str, zoom: bool) -> Figure:
    figure = new_figure(7.2, 5.2)
    axes = figure.add_subplot()
    _scale(axes, shown)
    edge = _staircase(rows, max(row.work.value for row in rows) * 2)
    axes.fill_between(edge[:, 0], edge[:, 1], -1, color="#F4F4F4", lw=0, zorder=0)
    axes.plot(*edge.T, color=FAINT, lw=1.2, zorder=1)
    rules = _by_rule(rows)
    labels = [_draw_rule(axes, rule, members) for rule, members in rules.items()]
    curves = [label.points for label in labels] + [edge]
    for row in rows:
        if row.policy == reference:
            axes.plot(row.work.value, row.exact.value, "o", ms=10, mfc="none", mec=INK, mew=1.0, zorder=5)
    if zoom:
        labels = _labels_of_points(shown, reference)
    else:  # combinations are many and long, so only those on the frontier are named
        named = [members[0].family != "combination" or members[0].frontier for members in rules.values()]
        labels = list(compress(labels, named))
    place_labels(axes, sorted(labels, key=lambda label: -label.points[:, 1].max()), curves)
    return figure


def _labels_of_points(rows: Sequence[Row], reference: str) -> list[Label]:
    """Returns a label for each bound, each policy on the frontier, and the reference."""
    return [
        Label(row.policy, np.array([[row.work.value, row.exact.value]]), COLOURS[row.family])
        for row in rows
        if row.frontier or row.family == "bound" or row.policy == reference
    ]


def _scale(axes: Axes, rows: Sequence[Row]) -> None:
    """Scales the axes to show all rows, logarithmic in segments and in wrong answers."""
    work = [row.work.value for row in rows]
    accuracy_axis(axes, [row.exact.value for row in rows], headroom=0.12)
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(work) * 0.93, max(work) * 1.1)
    axes.xaxis.set_major_locator(FixedLocator(_SEGMENTS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("mean segments computed for a puzzle")
    axes.set_title("puzzles solved")


def _by_rule(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Returns the rows of each rule by their segments; a combination is a rule of its own."""
    rules: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.work.value):
        rules.setdefault(row.policy if "(" in row.policy else rule_of(row.policy), []).append(row)
    return rules


def _draw_rule(axes: Axes, rule: str, rows: Sequence[Row]) -> Label:
    """Draws the line of a sweep with its points; those on the frontier are filled."""
    colour = COLOURS[rows[0].family]
    points = np.array([(row.work.value, row.exact.value) for row in rows])
    full = np.array([row.frontier for row in rows])
    axes.plot(*points.T, color=colour, lw=1.2, alpha=0.75, zorder=2)
    axes.plot(*points[~full].T, "o", ms=3.6, mfc="white", mec=colour, mew=0.9, zorder=3)
    axes.plot(*points[full].T, "o", ms=4.6, color=colour, zorder=4)
    return Label(rule, points, colour)


def _staircase(rows: Sequence[Row], until: float) -> Points:
    """Returns the frontier as a polyline of steps: the best accuracy for at most so many segments."""
    best = sorted((row.work.value, row.exact.value) for row in rows if row.frontier)
    x = np.repeat([segments for segments, _ in best] + [until], 2)[1:-1] if best else np.empty(0)
    y = np.repeat([exact for _, exact in best], 2)
    return np.column_stack([x, y[: len(x)]])
