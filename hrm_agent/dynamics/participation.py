"""The participation ratio: how many dimensions a cloud of states uses (paper, figure 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def participation_ratio(states: npt.ArrayLike, unbiased: bool = False) -> float:
    """Returns PR = (Σλ)²/Σλ² = (tr Σ)²/tr Σ² of the covariance Σ of states ``(n, D)``; from 1 to D.

    With few states the covariance of the sample spreads over too few directions, and PR is too small. ``unbiased``
    replaces (tr Σ)² and tr Σ² by estimates without bias for any distribution (Himeno and Yamada 2014, Journal of
    Multivariate Analysis 130, equation 1.2), which takes 4 states or more.

    Raises:
        ValueError: There are too few states, or they are all equal.
    """
    x = np.asarray(states, dtype=np.float64)
    least = 4 if unbiased else 2
    if x.ndim != 2 or len(x) < least:
        raise ValueError(f"states: expected {least} rows (n, D) or more, found shape {x.shape}")
    squared_trace, trace_of_square = (_unbiased_traces if unbiased else _sample_traces)(x - x.mean(0))
    if trace_of_square <= 0:
        raise ValueError("states: expected states that differ, found equal ones")
    return squared_trace / trace_of_square


def _sample_traces(centred: Floats) -> tuple[float, float]:
    """Returns (tr S)² and tr S² of the sample's covariance S, from the smaller of its two Gram matrices."""
    n, dim = centred.shape
    gram = (centred @ centred.T if n < dim else centred.T @ centred) / (n - 1)
    return float(np.trace(gram)) ** 2, float((gram * gram).sum())


def _unbiased_traces(centred: Floats) -> tuple[float, float]:
    n = len(centred)
    squared_trace, trace_of_square = _sample_traces(centred)
    fourth = n / (n - 1) * float(((centred**2).sum(1) ** 2).sum())
    scale = (n - 1) / (n * (n - 2) * (n - 3))
    return (
        scale * (2 * trace_of_square + (n * n - 3 * n + 1) * squared_trace - fourth),
        scale * ((n - 1) * (n - 2) * trace_of_square + squared_trace - fourth),
    )


class Moments(NamedTuple):
    """First and second moments of the states of B puzzles, from which PR follows for any weights of the puzzles.

    Attributes:
        states: Number of states of each puzzle.
        total: Sum of its states, ``(B, D)``.
        square: Sum of their outer products, ``(B, D, D)``.
    """

    states: int
    total: Floats
    square: Floats

    @classmethod
    def of(cls, states: npt.ArrayLike) -> Moments:
        """Returns the moments of recorded states, ``(steps, B, ..., D)``; each position counts as a state."""
        x = np.asarray(states)
        rows = [np.asarray(x[:, puzzle], np.float64).reshape(-1, x.shape[-1]) for puzzle in range(x.shape[1])]
        return cls(len(rows[0]), np.stack([each.sum(0) for each in rows]), np.stack([each.T @ each for each in rows]))

    def ratio(self, weights: Floats) -> float:
        """Returns the participation ratio of the states, those of each puzzle so many times, ``(B,)``."""
        number = self.states * weights.sum()
        mean = weights @ self.total / number
        covariance = np.tensordot(weights, self.square, 1) / number - np.outer(mean, mean)
        return float(np.trace(covariance)) ** 2 / float((covariance**2).sum())
