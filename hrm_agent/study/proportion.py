"""The interval of a share, such as that of solved puzzles."""

from __future__ import annotations

from math import sqrt

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
    half = _Z * sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))  # rounding leaves the share inside
