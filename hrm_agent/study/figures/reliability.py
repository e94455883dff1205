"""Reliability diagram of the Q head, before and after temperature scaling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hrm_agent.study.figures.style import BLUE, FAINT, GREY, house_style, new_figure, percent, thousands
from hrm_agent.study.proportion import wilson
from hrm_agent.study.reliability import Reliability, brier, reliability, sigmoid


@house_style()
def reliability_figure(
    q_halt: npt.ArrayLike,
    correct: npt.ArrayLike,
    temperature: float | None = None,
    group: npt.ArrayLike | None = None,
) -> Figure:
    """Draws a reliability diagram (Guo et al., arXiv 1706.04599) above the number of answers in each bin.

    Args:
        q_halt: Halting logits, any shape.
        correct: Whether the answer is right there, of the same shape.
        temperature: T; adds σ(q/T) to the diagram.
        group: Group of each answer, of the same shape; None if all answers are independent.
    """
    true = np.ravel(np.asarray(correct, np.bool_))
    q = np.ravel(np.asarray(q_halt, np.float64))
    figure = new_figure(4.6, 5.0)
    diagram, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    diagram.plot([0, 1], [0, 1], color=FAINT, lw=1.2, zorder=1)
    series = {"σ(q)": (sigmoid(q), BLUE, "o")}
    if temperature is not None:
        series[f"σ(q/T), T = {temperature:.2f}"] = (sigmoid(q / temperature), GREY, "s")
    for name, (probability, colour, marker) in series.items():
        bins = reliability(probability, true, group=group)
        error = f"ECE {bins.expected_error:.3f}, Brier {brier(probability, true):.3f}"
        _draw(diagram, bins, f"{name}: {error}", colour, marker)
    diagram.legend(loc="upper left", frameon=False, fontsize=8, handlelength=1.4, borderaxespad=0.2)
    _draw_counts(counts, sigmoid(q), true)
    for axis in (diagram.xaxis, diagram.yaxis):
        axis.set_major_formatter(percent)
    diagram.set(ylim=(-0.02, 1.02), xlim=(-0.01, 1.01))
    diagram.set_title("answers that are right")
    counts.set_xlabel("probability of being right, as the Q head says")
    return figure


def _draw(axes: Axes, bins: Reliability, label: str, colour: str, marker: str) -> None:
    """Draws the bins, joined, with 95 % intervals of their frequency (Wilson 1927), in which a group counts once."""
    low, high = np.transpose([wilson(*bin) for bin in zip(bins.frequency, bins.groups, strict=True)])
    axes.vlines(bins.probability, low, high, color=colour, lw=1.0, alpha=0.6)
    axes.plot(bins.probability, bins.frequency, marker=marker, color=colour, lw=1.2, label=label, ms=4.2)


def _draw_counts(axes: Axes, probability: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> None:
    """Draws the number of answers in each bin on a logarithmic axis, because most are at the two ends."""
    edges = np.linspace(0, 1, 11)
    total, _ = np.histogram(probability, edges)
    axes.bar(edges[:-1] + 0.05, total, width=0.092, color="#A6CBE3")
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=max(0.5, total[total > 0].min() / 3))
    axes.yaxis.set_major_formatter(thousands)
    axes.grid(axis="x", visible=False)
    axes.set_title("answers")
