"""Accuracy by segment, and the answers that turn right or wrong at each segment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hrm_agent.study.figures.style import (
    BLUE,
    GREEN,
    GREY,
    RED,
    accuracy_axis,
    house_style,
    new_figure,
    percent,
    write_at_end,
)
from hrm_agent.study.metrics import flips


@house_style()
def segments_figure(correct: npt.NDArray[np.bool_], trained_segments: int = 0) -> Figure:
    """Draws the accuracy by segment above the share of puzzles whose answer turns right or wrong.

    Args:
        correct: c_m of every seed, ``(S, N, M)``.
        trained_segments: Budget in training, marked if it is less than M.
    """
    budget = correct.shape[-1]
    segment = np.arange(1, budget + 1)
    figure = new_figure(6.4, 4.6)
    accuracy, turns = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    so_far = np.maximum.accumulate(correct, axis=-1)
    accuracy_axis(accuracy, [correct.mean(1), so_far.mean(1)])
    ends = [
        _draw_seeds(accuracy, segment, so_far.mean(1), GREY, "right once so far"),
        _draw_seeds(accuracy, segment, correct.mean(1), BLUE, "right now"),
    ]
    accuracy.set_title("puzzles solved after segment m")
    _draw_flips(turns, correct)
    if 0 < trained_segments < budget:
        for axes in (accuracy, turns):
            axes.axvline(trained_segments + 0.5, color=GREY, lw=0.8, ls=(0, (3, 3)), zorder=0)
        place = (trained_segments + 0.65, 0.06)
        accuracy.annotate("longer than in training", place, xycoords=("data", "axes fraction"), color=GREY, fontsize=8)
    turns.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))
    turns.set_xlim(0.5, budget + 0.5)
    turns.set_xlabel("segment m")
    figure.canvas.draw()
    write_at_end(accuracy, ends, budget)
    return figure


def _draw_seeds(
    axes: Axes, segment: npt.NDArray[np.int64], by_seed: npt.NDArray[np.float64], colour: str, name: str
) -> tuple[float, str, str]:
    """Draws the mean over seeds, and each seed as a thin line; returns last value, label and colour of the mean."""
    if len(by_seed) > 1:
        axes.plot(segment, by_seed.T, color=colour, lw=0.6, alpha=0.45)
    axes.plot(segment, by_seed.mean(0), color=colour, marker="o", ms=3.2)
    return float(by_seed.mean(0)[-1]), name, colour


def _draw_flips(axes: Axes, correct: npt.NDArray[np.bool_]) -> None:
    """Draws wrong → right upward and right → wrong downward, as shares of the puzzles."""
    segment = np.arange(2, correct.shape[-1] + 1)
    lost, gained = flips(correct.reshape(-1, correct.shape[-1]))
    axes.bar(segment, gained, width=0.72, color=GREEN)
    axes.bar(segment, -lost, width=0.72, color=RED)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_yscale("symlog", linthresh=0.001, linscale=0.5)
    axes.yaxis.set_major_formatter(percent)
    axes.set_ylim(-max(0.004, 2 * lost.max()), 2 * max(0.001, gained.max()))
    axes.set_title("puzzles whose answer turns from one segment to the next")
    for height, edge, text, colour in ((0.97, "top", "wrong → right", GREEN), (0.03, "bottom", "right → wrong", RED)):
        axes.text(0.99, height, text, transform=axes.transAxes, ha="right", va=edge, color=colour, fontsize=8)
