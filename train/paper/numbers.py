"""Measured numbers: each with its interval, and the paper's beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hrm_agent.study.bootstrap import Interval, Resamples, percentiles

from ..results import read_result, write_result

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], float]
"""Computes a quantity from weights of the puzzles, ``(N,)``."""


@dataclass(frozen=True)
class Number:
    """A measured number.

    Attributes:
        series: What is measured: a model, a state, a comparison.
        metric: Which quantity.
        x: Where it is measured: depth, width, step, segments, puzzles; 0 for a quantity that has no such place.
        value: The mean.
        low: Lower end of its 95 % interval; None without one.
        high: Upper end.
        paper: The paper's number; None where it has none.
    """

    series: str
    metric: str
    x: float
    value: float
    low: float | None = None
    high: float | None = None
    paper: float | None = None

    def __str__(self) -> str:
        """Returns the number with its interval."""
        text = f"{self.value:.4g}"
        return text if self.low is None or self.high is None else f"{text} [{self.low:.3g}, {self.high:.3g}]"


def mean_of(series: str, metric: str, values: npt.ArrayLike, x: float = 0, paper: float | None = None) -> Number:
    """Returns the mean of a quantity with its bootstrap interval over puzzles and seeds.

    Args:
        series: What is measured.
        metric: Which quantity.
        values: Values of puzzles ``(N,)``, or of seeds and puzzles ``(S, N)``.
        x: Where it is measured.
        paper: The paper's number.
    """
    cube = np.asarray(values, dtype=np.float64)
    cube = cube.reshape(-1, 1, cube.shape[-1])
    found: Interval = Resamples(cube.shape[-1]).interval(cube)
    value, low, high = (float(part[0]) for part in found)
    return Number(series, metric, x, value, low, high, paper)


def statistic_of(
    series: str,
    metric: str,
    puzzles: int,
    statistic: Statistic,
    x: float = 0,
    paper: float | None = None,
    resamples: int = 200,
) -> Number:
    """Returns a quantity that is no mean, with its percentile interval over resampled puzzles.

    Args:
        series: What is measured.
        metric: Which quantity.
        puzzles: Number of puzzles N.
        statistic: Computes it; with weights of 1 it is the measured value.
        x: Where it is measured.
        paper: The paper's number.
        resamples: Number of resamples.
    """
    draws = [statistic(row.astype(np.float64)) for part in Resamples(puzzles, resamples).counts() for row in part]
    low, high = percentiles(np.asarray(draws))
    return Number(series, metric, x, statistic(np.ones(puzzles)), float(low), float(high), paper)


def cached(path: Path, key: Mapping[str, Any], measure: Callable[[], Sequence[Number]]) -> list[Number]:
    """Returns numbers from a file, or measures and writes them if the file is missing or is that of another key.

    Args:
        path: The file.
        key: What the numbers depend on, as JSON data.
        measure: Measures them.
    """
    if path.exists():
        stored = read_result(path)
        if stored.get("key") == key:
            return [Number(**each) for each in stored["numbers"]]
    numbers = list(measure())
    write_result(path, {"key": key, "numbers": [asdict(each) for each in numbers]})
    return numbers
