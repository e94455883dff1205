"""The regret of each policy against an oracle: extra segments, premature halts and late halts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hrm_agent.study.families import COLOURS
from hrm_agent.study.figures.style import FAINT, house_style, new_figure
from hrm_agent.study.table import Row

_COLUMNS = {
    "oracle_gap": ("solved less than\nthe oracle", 100, "{:g} %"),
    "premature": ("halted too early:\nright later", 100, "{:g} %"),
    "late": ("halted too late:\nright before", 100, "{:g} %"),
    "step_regret": ("segments after\nbeing right", 1, "{:g}"),
}
"""Title, factor and format of each metric."""


@house_style()
def regret_figure(rows: Sequence[Row]) -> Figure:
    """Draws a dot for each policy and metric, with the policies in the given order from top to bottom.

    Args:
        rows: Rows of the study; at least one.
    """
    figure = new_figure(7.2, 0.9 + 0.22 * len(rows))
    panels = figure.subplots(1, len(_COLUMNS), sharey=True)
    for axes, (metric, (title, factor, unit)) in zip(panels, _COLUMNS.items(), strict=True):
        _draw(axes, rows, np.array([row.metrics[metric] for row in rows]) * factor)
        axes.set_title(title, fontsize=8.5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _, unit=unit: unit.format(value)))
    panels[0].set_yticks(range(len(rows)), [row.policy for row in rows])
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    for label, row in zip(panels[0].get_yticklabels(), rows, strict=True):
        label.set_color(COLOURS[row.family])
    return figure


def _draw(axes: Axes, rows: Sequence[Row], values: npt.NDArray[np.float64]) -> None:
    colours = [COLOURS[row.family] for row in rows]
    axes.hlines(range(len(rows)), 0, values, color=FAINT, lw=1.4)
    axes.scatter(values, range(len(rows)), color=colours, s=22, zorder=3, clip_on=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
