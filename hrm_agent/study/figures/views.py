"""Accuracy against segments × views: how much thinking longer and thinking in parallel bring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from hrm_agent.halting import make, rule_of
from hrm_agent.halting.rules import Fixed
from hrm_agent.halting.view_policies import ViewPolicy
from hrm_agent.study.families import COLOURS
from hrm_agent.study.figures.style import GREY, accuracy_axis, house_style, new_figure, write_at_end
from hrm_agent.study.table import Row

Curves = dict[str, dict[int, list[Row]]]


def curves_of(rows: Sequence[Row]) -> Curves:
    """Returns the policies of fixed numbers of segments, by rule and number of views, each sorted by segments.

    A single pass has 1 view and belongs to every rule.
    """
    curves: Curves = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: row.segments.value):
        policy = make(row.policy) if row.family in ("several views", "baseline") else None
        if isinstance(policy, Fixed) or (
            isinstance(policy, ViewPolicy) and all(isinstance(inner, Fixed) for inner in policy.policies)
        ):
            curves[rule_of(row.policy)][policy.views].append(row)
    single = curves.pop("fixed", {})
    return {rule: {**single, **by_views} for rule, by_views in curves.items()}


@house_style()
def views_figure(curves: Curves) -> Figure:
    """Draws the accuracy of each rule by segments, with a line and its interval for each number of views.

    Args:
        curves: Result of `curves_of`, with at least one rule.
    """
    figure = new_figure(7.2, 3.6)
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    every = [row.exact for by_views in curves.values() for rows in by_views.values() for row in rows]
    for axes, (rule, by_views) in zip(panels, curves.items(), strict=True):
        accuracy_axis(axes, [list(estimate) for estimate in every])
        ends = [_draw(axes, views, rows) for views, rows in sorted(by_views.items())]
        axes.set_title(f"solved by {rule}")
        axes.set_xlabel("segments of each view")
        axes.set_xscale("log", base=2)
        ticks = sorted({row.segments.value for rows in by_views.values() for row in rows})
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        figure.canvas.draw()
        write_at_end(axes, ends, ticks[-1])
    return figure


def _draw(axes: Axes, views: int, rows: Sequence[Row]) -> tuple[float, str, str]:
    """Draws the curve of a number of views; returns its last value, label and colour."""
    segments = [row.segments.value for row in rows]
    value, low, high = np.array([row.exact for row in rows]).T
    colour = GREY if views == 1 else COLOURS["several views"]
    strength = min(1.0, 0.3 + 0.2 * np.log2(views)) if views > 1 else 1.0
    axes.fill_between(segments, low, high, color=colour, alpha=0.12 * strength, lw=0)
    axes.plot(segments, value, color=colour, alpha=strength, marker="o", ms=3.2)
    return float(value[-1]), "1 view" if views == 1 else f"{views} views", colour
