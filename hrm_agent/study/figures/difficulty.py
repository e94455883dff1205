"""Halting segment against difficulty: do harder puzzles get more segments?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hrm_agent.study.figures.histograms import Stops
from hrm_agent.study.figures.style import house_style, new_figure, thousands, write_at_end
from hrm_agent.study.ranks import spearman

_BINS = 8
_QUANTILES = (0.1, 0.9)


@house_style()
def difficulty_figure(efforts: Sequence[Stops], rating: npt.NDArray[np.int32]) -> Figure:
    """Draws the mean halting segment in bins of similar difficulty, and below it the size of each bin.

    Args:
        efforts: Halting segments ``(S, N)`` of each policy; the 10 % and 90 % quantiles are shown for the first one.
        rating: Difficulty of every puzzle, ``(N,)``; at least two different values.
    """
    bins = difficulty_bins(rating)
    figure = new_figure(6.4, 4.6)
    effort, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    ends = [_draw(effort, each, bins, rating, band=number == 0) for number, each in enumerate(efforts)]
    effort.set_ylim(bottom=0.8)
    effort.yaxis.set_major_locator(MaxNLocator(integer=True))
    effort.set_title("halting segment (mean; shade: 10 % to 90 %)")
    counts.bar(range(len(bins)), [len(rows) for rows in bins.values()], width=0.7, color="#C4C4C4")
    counts.set_xticks(range(len(bins)), list(bins))
    counts.grid(axis="x", visible=False)
    counts.yaxis.set_major_formatter(thousands)
    counts.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    counts.set_title("puzzles")
    counts.set_xlabel("difficulty (the source's rating)")
    figure.canvas.draw()
    write_at_end(effort, ends, len(bins) - 1)
    return figure


def difficulty_bins(rating: npt.NDArray[np.int32]) -> dict[str, npt.NDArray[np.int64]]:
    """Returns rows of similar difficulty by their range: a bin for each rating, or bins of similar size for many."""
    edges = np.unique(rating)
    if len(edges) > _BINS:
        edges = np.unique(np.quantile(rating, np.linspace(0, 1, _BINS + 1)[1:], method="lower"))
    place = np.searchsorted(edges, rating, side="left")
    bins = {}
    for each in np.unique(place):
        rows = np.flatnonzero(place == each)
        low, high = rating[rows].min(), rating[rows].max()
        bins[f"{low}" if low == high else f"{low}–{high}"] = rows
    return bins


def _draw(
    axes: Axes, effort: Stops, bins: dict[str, npt.NDArray[np.int64]], rating: npt.NDArray[np.int32], band: bool
) -> tuple[float, str, str]:
    """Draws a line, with quantiles if ``band``, and returns its last value, label and colour."""
    means = [effort.segments[:, rows].mean() for rows in bins.values()]
    if band:
        quantiles = np.array([np.quantile(effort.segments[:, rows], _QUANTILES) for rows in bins.values()])
        axes.fill_between(range(len(bins)), *quantiles.T, color=effort.colour, alpha=0.13, lw=0)
    axes.plot(range(len(bins)), means, "o-", color=effort.colour)
    correlation = spearman(np.tile(rating, len(effort.segments)), effort.segments.ravel())
    return float(means[-1]), f"{effort.policy}\nSpearman {correlation:.2f}", effort.colour
