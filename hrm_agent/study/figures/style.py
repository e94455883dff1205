"""The style of every figure: one palette and one set of parameters, without pyplot or global state.

A function that draws is decorated with ``@house_style()``, makes its figure with `new_figure` and returns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ContextDecorator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from hrm_env.files import atomic_write

# The colours of Okabe and Ito, which colour-blind readers can tell apart; light ones are darkened for legible text.
BLUE, GREEN, RED, PURPLE, BROWN, PINK = "#0072B2", "#007A5A", "#C8500A", "#7B4FA6", "#8A6100", "#C2437E"
INK, GREY, FAINT = "#222222", "#767676", "#D9D9D9"

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titlepad": 8,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "font.size": 9,
    "grid.color": "#EBEBEB",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "patch.linewidth": 0,
    "svg.hashsalt": "hrm",  # equal figures are equal files
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
}


def house_style() -> ContextDecorator:
    """Returns a decorator that applies `STYLE` to everything drawn in the function."""
    return matplotlib.rc_context(STYLE)


def new_figure(width: float = 7.2, height: float = 4.2) -> Figure:
    """Returns an empty figure.

    Args:
        width: Width in inches; 7.2 fills the width of a README.
        height: Height in inches.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        return figure


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Writes ``stem.png`` and ``stem.svg``; equal figures give equal files.

    Args:
        figure: The figure.
        stem: Path without extension.

    Returns:
        The two paths.
    """
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        path = stem.with_name(f"{stem.name}.{kind}")
        with matplotlib.rc_context(STYLE), atomic_write(path) as file:
            figure.savefig(file, format=kind, metadata=metadata)
        paths.append(path)
    return paths


thousands = FuncFormatter(lambda value, _: f"{value:,.0f}")
"""Formats counts: 10,000."""

percent = FuncFormatter(lambda value, _: f"{abs(value) * 100:g} %")
"""Formats shares: 12.5 %; the sign of a share drawn downward is left out."""


def accuracy_axis(axes: Axes, values: npt.ArrayLike, headroom: float = 0.0) -> None:
    """Makes the vertical axis logarithmic in the share of wrong answers.

    The distance from 90 % to 99 % then equals that from 0 % to 90 %, which separates good policies.

    Args:
        axes: Axes of the accuracies.
        values: All accuracies, which set the limits.
        headroom: Room for labels above the highest accuracy, in powers of ten.
    """
    least, most = float(np.min(values)), float(np.max(values))
    axes.set_yscale("function", functions=(_stretched, _squeezed))
    axes.yaxis.set_major_locator(FixedLocator(_ACCURACIES))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(percent)
    span = _stretched(np.array([least, most])) + np.array([-0.06, 0.08 + headroom])
    axes.set_ylim(max(0.0, float(_squeezed(span[0]))), float(_squeezed(span[1])))


_ACCURACIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)
_LEAST = 5e-4  # a perfect accuracy is drawn as this share of wrong answers


def _stretched(accuracy: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(-np.log10(np.maximum(1 + _LEAST - np.asarray(accuracy), _LEAST / 2)))


def _squeezed(value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(1 + _LEAST - 10.0 ** -np.asarray(value))


def write_at_end(axes: Axes, lines: Sequence[tuple[float, str, str]], x: float, size: float = 8.0) -> None:
    """Labels lines at their right end instead of in a legend; labels that would overlap move apart.

    Args:
        axes: Axes of the lines, with final scales and limits.
        lines: Last value, label and colour of each line.
        x: Horizontal position of the last values.
        size: Font size.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    ends = sorted(lines)
    wanted = [float(axes.transData.transform((x, y))[1]) * 72 / figure.dpi for y, _, _ in ends]
    centres, floor = [], -np.inf
    for at, (_, text, _) in zip(wanted, ends, strict=True):
        half = 0.62 * size * (1 + text.count("\n"))
        centres.append(max(at, floor + half))
        floor = centres[-1] + half
    moved = np.array(centres) - wanted
    for (y, text, colour), shift in zip(ends, moved - moved.mean(), strict=True):
        axes.annotate(
            text,
            (x, y),
            xytext=(7, shift),
            textcoords="offset points",
            color=colour,
            fontsize=size,
            va="center",
            annotation_clip=False,
        )
