"""The figures of the HRM paper: lines of a quantity against depth, steps, segments or puzzles, and answers as grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from hrm_agent.study.figures.style import BLUE, BROWN, GREEN, PINK, PURPLE, RED, house_style, new_figure

Line = Sequence[tuple[float, float, float, float]]
"""Points of a line: place, value, and both ends of the interval."""
Panel = Mapping[str, Line]
"""Lines by name."""
_COLOURS = (BLUE, RED, GREEN, PURPLE, BROWN, PINK)


@house_style()
def panels_figure(
    panels: Mapping[str, Panel], places: Mapping[str, str], paths: Sequence[str] = (), columns: int = 3
) -> Figure:
    """Draws a panel for each quantity, with a line and its band of intervals for each series, or with bars.

    What a title calls an accuracy is drawn in percent.

    Args:
        panels: Lines of each quantity, by its name; lines of one point are drawn as bars.
        places: Label of the horizontal axis of each; one that begins with "log " is drawn on a logarithmic axis.
        paths: Quantities that are paths in a plane: the points are joined in their order, and a dot marks the end.
        columns: Panels in a row.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(max(3.4, min(3.4 * columns, 10.2)), 2.9 * rows)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    names = list(dict.fromkeys(name for panel in panels.values() if not _is_bars(panel) for name in panel))
    colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}
    for axes, (title, panel) in zip(grid, panels.items(), strict=False):
        axes.set_title(title)
        if "accuracy" in title:
            (axes.xaxis if _is_bars(panel) else axes.yaxis).set_major_formatter(
                FuncFormatter(lambda value, _: f"{100 * value:g} %")
            )
        if _is_bars(panel):
            _draw_bars(axes, panel)
            continue
        for name, line in panel.items():
            _draw(axes, name, np.asarray(line, np.float64), colours[name], title in paths)
        axes.set_xlabel(places[title].removeprefix("log "))
        axes.set_ylabel("component 2" if title in paths else "")
        if title not in paths:
            _place_axis(axes, sorted({point[0] for line in panel.values() for point in line}), places[title])
        if len(panel) > 1 or not all(name in title for name in panel):
            axes.legend(frameon=False, fontsize=7.5)
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def _is_bars(panel: Panel) -> bool:
    return all(len(line) == 1 for line in panel.values())


def _place_axis(axes: Axes, places: Sequence[float], label: str) -> None:
    """Makes the horizontal axis logarithmic if the label says so; the places are its ticks if they are few."""
    if label.startswith("log "):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if len(places) <= 7:
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    elif all(place == int(place) for place in places):
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


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
