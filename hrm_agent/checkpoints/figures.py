"""Checks of a sweep's figures from JSON: `Evaluation.summary` in a checkpoint or a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hrm_env.checks import check_integer, check_number, shortened

PRINTED = ("puzzles", "exact", "valid", "cell_accuracy", "segments_mean", "segments_p95", "q_halt_accuracy")
"""Figures that the summary of a run shows."""


def check_figures(name: str, found: Any, wanted: Iterable[str]) -> dict[str, Any]:
    """Returns the figures of a sweep, checked.

    Args:
        name: Where the figures stand, for errors.
        found: The figures.
        wanted: Names of the figures that are required: numbers, or ``"accuracy_by_segment"``.

    Raises:
        ValueError: A figure is missing or is not a number.
    """
    if not isinstance(found, dict):
        raise ValueError(f"{name}: expected the figures of a sweep, found {shortened(found)}")
    for figure in wanted:
        if figure == "puzzles":
            check_integer(f"{name}: puzzles", found.get(figure), 0)
        elif figure == "accuracy_by_segment":
            values = found.get(figure)
            if not isinstance(values, list) or not values:
                raise ValueError(f"{name}: {figure}: expected a list of numbers, found {shortened(values)}")
            for value in values:
                check_number(f"{name}: {figure}", value, 0)
        else:
            check_number(f"{name}: {figure}", found.get(figure), 0)
    return found
