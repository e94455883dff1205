"""Reliability of the Q head: σ(q_halt) as the probability that the answer is right.

Arrays may have any shape, such as ``(N,)`` at the halting segment or ``(N, M)`` over all segments; every entry counts
once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hrm_agent.study.ranks import auroc

TEMPERATURES = (0.01, 100.0)
"""Range that `temperature` searches."""


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: bins of similar probability, in ascending order, without the empty ones.

    Attributes:
        count: Predictions in each bin, ``(K,)``.
        probability: Their mean probability, ``(K,)``.
        frequency: Share of true outcomes among them, ``(K,)``.
        groups: Number of different groups among them, ``(K,)``; equal to ``count`` if all are independent.
    """

    count: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    frequency: npt.NDArray[np.float64]
    groups: npt.NDArray[np.int64]

    @property
    def expected_error(self) -> float:
        """The expected calibration error, Σ_k n_k/n |frequency_k − probability_k| (arXiv 1706.04599, eq. 3)."""
        return float(self.count @ np.abs(self.frequency - self.probability) / self.count.sum())


def reliability(
    probability: npt.ArrayLike,
    outcome: npt.ArrayLike,
    bins: int = 10,
    group: npt.ArrayLike | None = None,
) -> Reliability:
    """Sorts predictions into bins of similar probability and compares each bin with the outcomes.

    Args:
        probability: Predicted probability of a true outcome, 0 to 1.
        outcome: Outcomes, of the same shape.
        bins: Number of bins K. Bin k holds k/K ≤ p < (k+1)/K; the last bin also holds p = 1.
        group: Group of each prediction, of the same shape; None if all are independent.

    Raises:
        ValueError: There is no prediction or no bin, or a probability lies outside 0 to 1.
    """
    p, true = np.ravel(probability).astype(np.float64), np.ravel(outcome).astype(np.float64)
    if not len(p) or bins < 1 or not (p.min() >= 0 and p.max() <= 1):
        found = f"{p.min():g} to {p.max():g}" if len(p) else "none"
        raise ValueError(f"reliability: expected probabilities from 0 to 1 in 1 bin or more, found {found} in {bins}")
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    count, sum_p, sum_true = (np.bincount(place, weights, minlength=bins) for weights in (None, p, true))
    held = count > 0
    groups = count
    if group is not None:
        pairs = np.unique(np.stack([place, np.ravel(group)]), axis=1)
        groups = np.bincount(pairs[0], minlength=bins)
    return Reliability(count[held], sum_p[held] / count[held], sum_true[held] / count[held], groups[held])


def brier(probability: npt.ArrayLike, outcome: npt.ArrayLike) -> float:
    """Returns the mean of (p − y)² (Brier 1950): calibration and sharpness in one number."""
    return float(np.square(np.asarray(probability, np.float64) - np.asarray(outcome, np.float64)).mean())


def negative_log_likelihood(q: npt.ArrayLike, outcome: npt.ArrayLike) -> float:
    """Returns the mean of −y ln σ(q) − (1 − y) ln(1 − σ(q)) = ln(1 + eᵠ) − y q, in nats."""
    logit = np.asarray(q, np.float64)
    return float((np.logaddexp(0, logit) - np.asarray(outcome, np.float64) * logit).mean())


def sigmoid(q: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns σ(q) in float64 as (1 + tanh(q/2)) / 2, which does not overflow."""
    return np.asarray((1 + np.tanh(np.asarray(q, np.float64) / 2)) / 2)


def temperature(q: npt.ArrayLike, outcome: npt.ArrayLike) -> float:
    """Fits the T whose σ(q/T) has the least negative log-likelihood (Guo et al., arXiv 1706.04599, section 4.2).

    The negative log-likelihood is convex in 1/T. The sign of its slope, mean (σ(q/T) − y) q, tells on which side the
    minimum lies, and bisection in ln T finds it to float64 precision. T > 1 means that the Q head is overconfident.

    Args:
        q: Logits.
        outcome: Whether the answer is right, of the same shape.

    Returns:
        T, or the nearer end of `TEMPERATURES` if the minimum lies beyond it.
    """
    logit, true = np.ravel(q).astype(np.float64), np.ravel(outcome).astype(np.float64)
    low, high = (math.log(end) for end in TEMPERATURES)
    while high - low > 1e-14:
        middle = (low + high) / 2
        too_cold = ((sigmoid(logit / math.exp(middle)) - true) @ logit) > 0
        low, high = (middle, high) if too_cold else (low, middle)
    return math.exp((low + high) / 2)


def q_summary(q: npt.ArrayLike, correct: npt.ArrayLike) -> dict[str, float]:
    """Returns the scalars ``ece`` (10 bins of equal width), ``brier``, ``auroc`` and ``nll``.

    Args:
        q: Halting logits.
        correct: Whether the answer is right there, of the same shape.
    """
    probability = sigmoid(q)
    return {
        "ece": reliability(probability, correct).expected_error,
        "brier": brier(probability, correct),
        "auroc": auroc(q, correct),
        "nll": negative_log_likelihood(q, correct),
    }
