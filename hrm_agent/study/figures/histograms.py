"""Histograms of the halting segments of each policy, with right and wrong answers apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hrm_agent.study.figures.style import GREY, INK, house_style, new_figure, percent

_COLUMNS = 4


@dataclass(frozen=True)
class Stops:
    """The halting segments of a policy.

    Attributes:
        policy: Its string form.
        segments: Halting segment of every puzzle, any shape.
        exact: Whether the answer there is right, of the same shape.
        colour: Colour of its family.
    """

    policy: str
    segments: npt.NDArray[np.int64]
    exact: npt.NDArray[np.bool_]
    colour: str


@house_style()
def histograms_figure(stops: Sequence[Stops], budget: int) -> Figure:
    """Draws a panel for each policy, all with the same axes.

    Args:
        stops: At least one policy.
        budget: M.
    """
    columns = min(_COLUMNS, len(stops))
    rows = math.ceil(len(stops) / columns)
    figure = new_figure(1.9 * columns, 0.5 + 1.45 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, each in zip(panels.flat, stops, strict=False):
        _draw(axes, each, budget)
    for axes in panels.flat[len(stops) :]:
        axes.set_visible(False)
    for axes in panels.flat[max(0, len(stops) - columns) : len(stops)]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    panels[0, 0].yaxis.set_major_formatter(percent)
    figure.supxlabel("halting segment (colour: right, black: wrong, line: mean)", fontsize=9)
    return figure


def _draw(axes: Axes, stops: Stops, budget: int) -> None:
    share = [
        np.bincount(stops.segments[stops.exact == right].ravel(), minlength=budget + 1)[1:] / stops.segments.size
        for right in (True, False)
    ]
    segment = np.arange(1, budget + 1)
    axes.bar(segment, share[0], width=0.84, color=stops.colour)
    axes.bar(segment, share[1], width=0.84, bottom=share[0], color=INK)
    axes.axvline(float(stops.segments.mean()), color=GREY, lw=0.9)
    axes.set_title(stops.policy.replace(",", ",\n"), fontsize=8.5, color=stops.colour, pad=4)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_xlim(0.4, budget + 0.6)
    axes.grid(axis="x", visible=False)
