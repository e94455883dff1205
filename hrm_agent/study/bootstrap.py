"""Confidence intervals by the paired bootstrap: puzzles are resampled, with the same draws for every policy.

Puzzles that are variants of one another are not independent, so whole groups are drawn (cluster bootstrap, Davison and
Hinkley 1997, section 3.8; Field and Welsh 2007). The mean of a resample is the mean over all puzzles of its groups.

Several checkpoints (seeds) that were tested on the same puzzles are pooled by the pigeonhole bootstrap (Owen 2007,
arXiv 0712.1111). Seeds and puzzles are drawn independently, and the weight of a value is the product of the counts of
its seed and its puzzle. The interval then covers new puzzles and new seeds. As in any bootstrap of few draws, the
variance between S seeds is underestimated by the factor (S − 1)/S: with 3 seeds the interval is somewhat too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_agent.study.groups import Groups, group_sums

Floats = npt.NDArray[np.float64]

CHUNK = 2**24
"""Weights in memory at a time: 64 MiB."""


class Interval(NamedTuple):
    """A mean and its percentile interval; arrays of shape ``()``, or ``(P,)`` for P policies."""

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
    """Draws G groups of puzzles out of G with replacement; without variants, N puzzles out of N.

    Equal arguments give equal draws, so comparisons are paired.

    ``values`` has one value for each puzzle, ``(N,)``, for P policies ``(P, N)``, and for S seeds ``(S, P, N)``; a
    metric of `hrm_agent.study.metrics.per_puzzle` is an example. All policies together cost little more than one.

    Args:
        puzzles: Group of each puzzle, ``(N,)``; or N, if each puzzle is a group of its own.
        count: Number of resamples.
        seed: Seed for the draws.

    Raises:
        ValueError: There is no puzzle or no resample.
    """

    def __init__(self, puzzles: int | Groups, count: int = 1000, seed: int = 0) -> None:
        self.group = np.arange(puzzles) if isinstance(puzzles, int) else np.asarray(puzzles)
        self.puzzles, self.count, self.seed = len(self.group), count, seed
        if self.puzzles < 1 or count < 1:
            raise ValueError(f"Resamples: expected at least 1 puzzle and 1 resample, found {puzzles} and {count}")

    def means(self, values: npt.ArrayLike) -> Floats:
        """Returns the means over puzzles and seeds in every resample, ``(count,)`` or ``(count, P)``.

        For a ratio of two metrics, such as segments per solved puzzle, take percentiles of ``means(a) / means(b)``.

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
        means = origin + self.pooled(by_seed) / drawn[:, None]
        return np.asarray(means[:, 0] if np.ndim(values) == 1 else means)

    def counts(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yields how often each puzzle is drawn, ``(count, N)`` in chunks, for figures that are no means."""
        names, number = np.unique(self.group, return_inverse=True)
        for weights in self._group_weights(len(names)):
            yield weights[:, number]

    def pooled(self, by_seed: Floats) -> Floats:
        """Returns the means over drawn seeds of figures ``(count, S, P)`` of every resample: ``(count, P)``."""
        seeds = by_seed.shape[1]
        return np.asarray(np.einsum("cs,csp->cp", self._seed_weights(seeds), by_seed) / seeds)

    def interval(self, values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
        """Returns the mean of each policy and its percentile interval.

        Raises:
            ValueError: There are not N puzzles.
        """
        return Interval(self._mean(values), *percentiles(self.means(values), confidence))

    def difference(self, a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = 0.95) -> Difference:
        """Returns A − B, puzzle by puzzle; either may be a single policy that is compared with all of the other.

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
        """Returns a value of each policy, ``(P,)``, and the differences of all values from it, ``(S, P, N)``.

        A constant metric thus has an interval of width 0, and sums of counts are exact in float32.
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
        """Yields how often each group is drawn, ``(count, G)`` in chunks of resamples."""
        generator = np.random.default_rng((self.seed, 0))
        rows = max(1, CHUNK // groups)
        for start in range(0, self.count, rows):
            yield _draws(generator, min(rows, self.count - start), groups)

    def _seed_weights(self, seeds: int) -> npt.NDArray[np.float32]:
        """Returns how often each seed is drawn, ``(count, S)``; always once for a single seed."""
        return _draws(np.random.default_rng((self.seed, 1)), self.count, seeds)


def percentiles(samples: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Returns the ends of the central ``confidence`` of ``samples (count, ...)`` (Efron's percentile interval)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, found {confidence}")
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, (tail, 1 - tail), axis=0)
    return np.asarray(low), np.asarray(high)


def _draws(generator: np.random.Generator, count: int, size: int) -> npt.NDArray[np.float32]:
    """Returns multinomial weights ``(count, size)``: how often each of ``size`` items is drawn in ``size`` draws."""
    weights = np.empty((count, size), np.float32)
    for row in weights:
        row[:] = np.bincount(generator.integers(size, size=size), minlength=size)
    return weights
