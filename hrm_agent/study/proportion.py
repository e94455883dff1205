"""The interval of a share, such as that of solved puzzles, and the exact bound of a rare one, such as wrong answers."""

from __future__ import annotations

import math

_Z = 1.959964
"""95 % of a normal distribution lie within so many standard deviations."""


def wilson(share: float, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share of independent trials (Wilson 1927); also good where all or none succeed.

    Args:
        share: Share of the trials that succeeded.
        count: Number of the trials, at least 1.
    """
    square = _Z**2 / count
    centre = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))  # rounding leaves the share inside


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> float:
    """Returns the exact upper bound of a probability: the p at which P(Bin(n, p) ≤ k) is 1 − confidence.

    With probability ≥ confidence over n independent trials, p is at most the bound (Clopper and Pearson 1934). With a
    confidence of 0.75 or more it also bounds the mean of probabilities that differ between trials (Hoeffding 1956).

    Args:
        successes: k.
        trials: n; without any, and where all succeed, the bound is 1.
        confidence: Between 0 and 1.
    """
    if successes >= trials:
        return 1.0
    low, high = successes / trials, 1.0
    while low < (middle := (low + high) / 2) < high:
        above = binomial_tail(successes, trials, middle) <= 1 - confidence
        low, high = (low, middle) if above else (middle, high)
    return high


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Returns P(Bin(n, p) ≤ k), summed in logarithms: exact up to rounding for any n.

    Args:
        successes: k.
        trials: n.
        probability: p, between 0 and 1.
    """
    log_odds = math.log(probability) - math.log1p(-probability)
    start = math.lgamma(trials + 1) + trials * math.log1p(-probability)
    terms = [
        start + k * log_odds - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        for k in range(min(successes, trials) + 1)
    ]
    return min(1.0, math.fsum(math.exp(term) for term in terms))
