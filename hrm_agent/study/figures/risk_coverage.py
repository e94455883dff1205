"""The risk-coverage curve of a policy, and what the abstaining policies make of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from hrm_agent.study.families import COLOURS
from hrm_agent.study.figures.labels import Label, place_labels
from hrm_agent.study.figures.style import house_style, new_figure, percent
from hrm_agent.study.selective import risk_coverage
from hrm_agent.study.table import Row


@house_style()
def risk_coverage_figure(
    chosen: Row, q_halt: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], rows: Sequence[Row]
) -> Figure:
    """Draws a policy's curve, the mean over seeds, and a point with intervals for each policy that abstains.

    Args:
        chosen: Row of the policy whose curve is drawn.
        q_halt: Its logits of halting at τ, ``(S, N)``.
        right: Whether its answers there are right, ``(S, N)``.
        rows: Rows of the study.
    """
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    curves = [np.column_stack(risk_coverage(*seed)) for seed in zip(q_halt, right, strict=True)]
    mean, colour = np.mean(curves, axis=0), COLOURS[chosen.family]
    for curve in curves if len(curves) > 1 else ():
        axes.plot(*curve.T, color=colour, lw=0.6, alpha=0.45)
    axes.plot(*mean.T, color=colour)
    labels = [Label(f"{chosen.policy}, AURC {chosen.selective['aurc'].value:.4f}", mean[len(mean) // 2 :], colour)]
    for row in rows:
        coverage, risk = row.selective["coverage"], row.selective["risk"]
        if 0 < coverage.value < 1:
            ink = COLOURS[row.family]
            axes.hlines(risk.value, coverage.low, coverage.high, color=ink, lw=0.8)
            axes.vlines(coverage.value, risk.low, risk.high, color=ink, lw=0.8)
            axes.plot(coverage.value, risk.value, "o", color=ink)
            labels.append(Label(row.policy, np.array([[coverage.value, risk.value]]), ink))
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.xaxis.set_major_formatter(percent)
    axes.yaxis.set_major_formatter(percent)
    axes.set_xlabel("puzzles answered")
    axes.set_title("wrong answers among those given")
    place_labels(axes, labels, [mean])
    return figure
