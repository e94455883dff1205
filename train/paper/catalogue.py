"""All figures: which runs each needs, how it is measured and drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Drawing

from hrm_agent.dynamics.answers import inner_answers
from hrm_agent.study.figures.paper import Line, answers_figure, panels_figure
from hrm_env.drawing import draw_puzzle

from . import accuracy, inside
from .lab import Lab
from .numbers import Number

MOST_PICTURES = 24
"""Inner steps of figure 7 that are drawn as grids, at most."""


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        title: What it shows.
        runs: Returns the options of the runs that it needs.
        measure: Measures its numbers.
        draw: Draws them.
        one_agent: Whether it can be made of an agent of one's own.
    """

    title: str
    runs: Callable[[Lab], Sequence[str]]
    measure: Callable[[Lab], Sequence[Number]]
    draw: Callable[[Lab, Sequence[Number]], Drawing]
    one_agent: bool = False


def line(numbers: Sequence[Number], metric: str) -> dict[str, Line]:
    """Returns the lines of a quantity by series, without comparisons of two series."""
    own = (each.series for each in numbers if each.metric == metric)
    series = dict.fromkeys(name for name in own if not re.search(" [−/] ", name))
    return {
        name: [(each.x, each.value, *_ends(each)) for each in numbers if (each.series, each.metric) == (name, metric)]
        for name in series
    }


def _ends(number: Number) -> tuple[float, float]:
    """Returns the ends of a number's interval; without one, the number itself."""
    if number.low is None or number.high is None:
        return number.value, number.value
    return number.low, number.high


def drawn(**places: str) -> Callable[[Lab, Sequence[Number]], Drawing]:
    """Returns a function that draws a panel for each of these quantities; see `panels_figure` for ``places``."""

    def draw(lab: Lab, numbers: Sequence[Number]) -> Drawing:
        return panels_figure({metric: found for metric in places if (found := line(numbers, metric))}, places)

    return draw


def draw_residuals(lab: Lab, numbers: Sequence[Number]) -> Drawing:
    """Draws figure 3: residuals, and below them the paths in the plane of the first two components."""
    residuals = line(numbers, "residual")
    first, second = (line(numbers, f"component {axis}") for axis in (1, 2))
    paths = {name: [(x[1], y[1], y[1], y[1]) for x, y in zip(first[name], second[name], strict=True)] for name in first}
    panels = {f"residual, {name}": {name: found} for name, found in residuals.items()}
    panels |= {f"path, {name}": {name: found} for name, found in paths.items()}
    places = {title: "component 1" if title.startswith("path") else "inner step" for title in panels}
    return panels_figure(panels, places, [title for title in panels if title.startswith("path")], len(residuals))


def draw_answers(lab: Lab, numbers: Sequence[Number]) -> Drawing:
    """Draws figure 7: the answers of the first puzzle after the first inner steps, and the counts of all."""
    batch, task = lab.batch, lab.task
    found = inner_answers(lab.core(), batch.inputs[:1], batch.puzzle_id[:1], lab.budget)
    puzzle, solution = batch.inputs[0].cpu().numpy(), batch.solution[0].cpu().numpy()
    changed = found.changes()[:, 0].nonzero()
    shown = min(MOST_PICTURES, int(changed.max()) + 3 if len(changed) else 1)  # up to one step after the last change
    answers = found.answers[:shown, 0].cpu().numpy()
    pictures = [draw_puzzle(task, puzzle, answer, solution) for answer in answers]
    captions = [f"{step}: {state}" for step, state in enumerate(found.states[:shown], start=1)]
    counts = {metric: line(numbers, metric)["HRM"] for metric in ("violations", "wrong cells", "changes", "returns")}
    return answers_figure(pictures, captions, counts)


def _no_runs(lab: Lab) -> list[str]:
    return [""]


FIGURES = {
    "agent": Figure(
        "The HRM: accuracy after every segment",
        _no_runs,
        accuracy.measure_agent,
        drawn(**{"accuracy by segment": "segment"}),
        one_agent=True,
    ),
    "fig2": Figure(
        "Figure 2: accuracy against width and depth",
        accuracy.depth_runs,
        accuracy.measure_depth,
        drawn(**{"accuracy by width": "log width", "accuracy by depth": "log depth, in blocks"}),
    ),
    "fig3": Figure(
        "Figure 3: forward residuals and principal components",
        inside.residual_runs,
        inside.measure_residuals,
        draw_residuals,
        one_agent=True,
    ),
    "fig5": Figure(
        "Figure 5: segments and accuracy, fixed M against ACT, and M at inference",
        accuracy.halting_runs,
        accuracy.measure_halting,
        drawn(**{"segments": "M", "accuracy": "M", "inference accuracy": "log segments at inference"}),
        one_agent=True,
    ),
    "fig7": Figure(
        "Figure 7: the answer after every inner step", _no_runs, inside.measure_answers, draw_answers, one_agent=True
    ),
    "fig8": Figure(
        "Figure 8: participation ratios",
        _no_runs,
        inside.measure_participation,
        drawn(**{"participation": "", "participation by puzzles": "log puzzles"}),
        one_agent=True,
    ),
    "gradients": Figure(
        "Gradients: one-step and last-cycle against full",
        accuracy.gradient_runs,
        accuracy.measure_gradients,
        drawn(
            **{
                "cosine to full": "share of the training",
                "norm, share of full": "share of the training",
                "accuracy, equal steps": "",
                "accuracy, equal memory": "",
                "accuracy, equal time": "",
                "graph, MB": "",
            }
        ),
    ),
    "data": Figure(
        "Data efficiency: accuracy against the number of training puzzles",
        accuracy.data_runs,
        accuracy.measure_data,
        drawn(accuracy="log training puzzles"),
    ),
    "causal": Figure(
        "Causal tests: what it costs to disturb a state, to swap the time scales, to have only one",
        inside.causal_runs,
        inside.measure_causes,
        drawn(**{"cost in accuracy": "", "accuracy": ""}),
        one_agent=True,
    ),
}
"""By name, in the order in which they are made; the first is always among them."""
