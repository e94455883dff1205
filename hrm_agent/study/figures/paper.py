"""The figures of the HRM paper: lines of a quantity against depth, steps, segments or puzzles, and answers as grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hrm_agent.study.figures.style import BLUE, BROWN, GREEN, PINK, PURPLE, RED, house_style, new_figure

Line = Sequence[tuple[float, float, float, float]]
"""Points of a line: place, value, and both ends of the interval."""
Panel = Mapping[str, Line]
"""Lines by name."""
_COLOURS = (BLUE, RED, GREEN, PURPLE, BROWN, PINK)


@house_style()
def panels_figure(panels: Mapping[str, Panel], places: Mapping[str, str], paths: Sequence[str] = ()) -> Figure:
    """Draws a panel for each quantity, with a line and its band of intervals for each series, or with bars.

    Args:
        panels: Lines of each quantity, by its name; lines of one point are drawn as bars.
        places: Label of the horizontal axis of each; one that begins with "log " is drawn on a logarithmic axis.
        paths: Quantities that are paths in a plane: the points are joined in their order, and a dot marks the end.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.4 * columns, 2.9 * rows)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}
    for axes, (title, panel) in zip(grid, panels.items(), strict=False):
        axes.set_title(title)
        if all(len(line) == 1 for line in panel.values()):
            _draw_bars(axes, panel)
            continue
        for name, line in panel.items():
            _draw(axes, name, np.asarray(line, np.float64), colours[name], title in paths)
        label = places[title]
        if label.startswith("log "):
            axes.set_xscale("log", base=2 if "puzzles" not in label else 10)
        axes.set_xlabel(label.removeprefix("log "))
        axes.set_ylabel("component 2" if title in paths else "")
        axes.legend(frameon=False, fontsize=7.5)
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def _draw(axes: Axes, name: str, points: npt.NDArray[np.float64], colour: str, path: bool) -> None:
    place, value, low, high = points.T
    axes.plot(place, value, color=colour, label=name, marker="o", ms=2.5, lw=1.2)
    if path:
        axes.plot(place[-1:], value[-1:], color=colour, marker="o", ms=6)
    else:
        axes.fill_between(place, low, high, color=colour, alpha=0.18)


def _draw_bars(axes: Axes, panel: Panel) -> None:
    _, value, low, high = np.asarray([line[0] for line in panel.values()], np.float64).T
    at = np.arange(len(panel))
    axes.barh(at, value, color=BLUE, alpha=0.75)
    axes.hlines(at, low, high, color=RED, lw=1.2)
    axes.set_yticks(at, list(panel))
    axes.invert_yaxis()


@house_style()
def answers_figure(
    pictures: Sequence[npt.NDArray[np.uint8]], captions: Sequence[str], panel: Panel, columns: int = 6
) -> Figure:
    """Draws the answer after every inner step as a grid, above the counts of all puzzles.

    Args:
        pictures: Pictures of one puzzle, ``(height, width, 3)`` each.
        captions: Text above each.
        panel: Counts by step.
        columns: Pictures in a row.
    """
    rows = -(-len(pictures) // columns)
    figure = new_figure(1.25 * columns, 1.5 * rows + 2.6)
    grid = figure.add_gridspec(2, 1, height_ratios=(1.5 * rows, 2.6))
    for axes, picture, caption in zip(
        grid[0].subgridspec(rows, columns).subplots(squeeze=False).flat, pictures, captions, strict=False
    ):
        axes.imshow(picture)
        axes.set_title(caption, fontsize=7, pad=2)
    for axes in figure.axes:
        axes.set_axis_off()
    below = figure.add_subplot(grid[1])
    for (name, line), colour in zip(panel.items(), _COLOURS, strict=False):
        _draw(below, name, np.asarray(line, np.float64), colour, path=False)
    below.set_xlabel("inner step")
    below.set_title("cells of a puzzle, mean")
    below.legend(frameon=False, fontsize=7.5)
    return figure
