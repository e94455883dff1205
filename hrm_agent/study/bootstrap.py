"""Confidence intervals by the paired bootstrap: puzzles are drawn anew, the same draw for every policy.

Puzzles that are variants of one another are not independent, so whole groups are drawn (cluster bootstrap, Davison and
Hinkley 1997, section 3.8; Field and Welsh 2007): the mean of a resample is that of all puzzles of the drawn groups.

Several checkpoints (seeds) that were tried on the same puzzles are pooled by the pigeonhole bootstrap (Owen 2007, arXiv
0712.1111): seeds and puzzles are drawn anew, independently of each other, and a value counts as often as its seed was
drawn times as often as its puzzle was. The interval then covers new puzzles and new seeds. As in any bootstrap of few
draws, the variance between S seeds comes out (S − 1)/S of what it is: with 3 seeds the interval is rather too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_agent.study.groups import Groups, group_sums

Floats = npt.NDArray[np.float64]

CHUNK = 2**24
"""Weights held at a time: 64 MiB."""


class Interval(NamedTuple):
    """A mean and its percentile interval; arrays without dimension, or ``(P,)`` for P policies."""

    mean: Floats
    low: Floats
    high: Floats


class Difference(NamedTuple):
    """A − B: the mean, its percentile interval, and the share of resamples in which A > B; shapes as in `Interval`."""

    mean: Floats
    low: Floats
    high: Floats
    share_greater: Floats


class Resamples:
    """Draws of G groups of puzzles out of G, with replacement; for puzzles without variants, of N puzzles out of N.

    Equal arguments give equal draws, so comparisons are paired.

    ``values`` are of every puzzle ``(N,)``, of P policies ``(P, N)``, or of these in S seeds ``(S, P, N)``; metrics of
    `hrm_agent.study.metrics.per_puzzle`, for one. All policies together cost little more than one.

    Args:
        puzzles: The group of each puzzle, ``(N,)``; or N, where each is a group of its own.
        count: How many resamples.
        seed: Of the draws.

    Raises:
        ValueError: There is no puzzle or no resample.
    """

    def __init__(self, puzzles: int | Groups, count: int = 1000, seed: int = 0) -> None:
        self.group = np.arange(puzzles) if isinstance(puzzles, int) else np.asarray(puzzles)
        self.puzzles, self.count, self.seed = len(self.group), count, seed
        if self.puzzles < 1 or count < 1:
            raise ValueError(f"Resamples: expected at least 1 puzzle and 1 resample, found {puzzles} and {count}")

    def means(self, values: npt.ArrayLike) -> Floats:
        """Means over puzzles and seeds in every resample, ``(count,)`` or ``(count, P)``.

        A ratio of two metrics, such as segments per solved puzzle, has the interval of ``means(a) / means(b)``.

        Raises:
            ValueError: There are not N puzzles.
        """
        origin, centred = self._centred(values)
        sizes = group_sums(np.ones(self.puzzles), self.group).astype(np.float32)  # (G,)
        narrow = group_sums(centred, self.group).astype(np.float32)  # (S, P, G)
        parts = [
            (np.stack([weights @ one.T for one in narrow], axis=1), weights @ sizes)
            for weights in self._group_weights(len(sizes))
        ]
        by_seed, drawn = (np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True))
        total = np.einsum("cs,csp->cp", self._seed_weights(len(narrow)), by_seed)  # of (count, S, P)
        means = origin + total / (len(narrow) * drawn[:, None])
        return np.asarray(means[:, 0] if np.ndim(values) == 1 else means)

    def interval(self, values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
        """The mean of each policy and its percentile interval.

        Raises:
            ValueError: There are not N puzzles.
        """
        return Interval(self._mean(values), *percentiles(self.means(values), confidence))

    def difference(self, a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = 0.95) -> Difference:
        """By how much A exceeds B, puzzle by puzzle; either may be one policy for all of the other.

        Raises:
            ValueError: There are not N puzzles.
        """
        values = np.asarray(a, np.float64) - np.asarray(b, np.float64)
        means = self.means(values)
        return Difference(self._mean(values), *percentiles(means, confidence), np.asarray((means > 0).mean(0)))

    def _mean(self, values: npt.ArrayLike) -> Floats:
        origin, centred = self._centred(values)
        mean = origin + centred.mean((0, 2))
        return np.asarray(mean[0] if np.ndim(values) == 1 else mean)

    def _centred(self, values: npt.ArrayLike) -> tuple[Floats, Floats]:
        """A value of each policy, ``(P,)``, and what all values differ from it, ``(S, P, N)``.

        What is the same everywhere then has an interval of no width, and float32 adds up counts without error.
        """
        cube = np.asarray(values, np.float64)
        if cube.ndim not in (1, 2, 3) or cube.shape[-1] != self.puzzles:
            raise ValueError(
                f"Resamples: expected (N,), (P, N) or (S, P, N) values of {self.puzzles} puzzles, found {cube.shape}"
            )
        cube = cube.reshape((1,) * (3 - cube.ndim) + cube.shape)
        origin = cube[0, :, 0]
        return origin, cube - origin[:, None]

    def _group_weights(self, groups: int) -> Iterator[npt.NDArray[np.float32]]:
        """How often each group is drawn, ``(count, G)`` in parts."""
        generator = np.random.default_rng((self.seed, 0))
        rows = max(1, CHUNK // groups)
        for start in range(0, self.count, rows):
            yield _draws(generator, min(rows, self.count - start), groups)

    def _seed_weights(self, seeds: int) -> npt.NDArray[np.float32]:
        """How often each seed is drawn, ``(count, S)``; always once where there is one."""
        return _draws(np.random.default_rng((self.seed, 1)), self.count, seeds)


def percentiles(samples: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The ends of the middle ``confidence`` of ``samples (count, ...)`` (Efron's percentile interval)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, found {confidence}")
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, (tail, 1 - tail), axis=0)
    return np.asarray(low), np.asarray(high)


def _draws(generator: np.random.Generator, count: int, size: int) -> npt.NDArray[np.float32]:
    """Multinomial weights ``(count, size)``: how often each of ``size`` things is drawn in ``size`` draws."""
    weights = np.empty((count, size), np.float32)
    for row in weights:
        row[:] = np.bincount(generator.integers(size, size=size), minlength=size)
    return weights
