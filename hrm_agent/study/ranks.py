"""Ranks with ties, Spearman's correlation, and the area under the ROC curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def average_ranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns ranks 1..N of ``values (N,)``; equal values share the mean of their ranks."""
    _, place, count = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Returns Pearson's correlation of the average ranks of ``a (N,)`` and ``b (N,)`` (Spearman 1904).

    It is NaN if one of them is constant.
    """
    centred = [ranks - ranks.mean() for ranks in (average_ranks(a), average_ranks(b))]
    scale = np.sqrt(np.prod([np.square(ranks).sum() for ranks in centred]))
    return float(centred[0] @ centred[1] / scale) if scale > 0 else float("nan")


def auroc(score: npt.ArrayLike, outcome: npt.ArrayLike) -> float:
    """Returns the area under the ROC curve: P(score of a true outcome > score of a false one), ties counted half.

    It is (R − n₁(n₁ + 1)/2) / (n₁ n₀), where R is the sum of the ranks of true outcomes (Hanley and McNeil 1982).

    Args:
        score: Scores of any shape, of which only the order matters.
        outcome: Truth values of the same size.

    Returns:
        The area; NaN if all outcomes are equal.
    """
    true = np.ravel(outcome).astype(bool)
    ones, zeros = int(true.sum()), int((~true).sum())
    if not ones or not zeros:
        return float("nan")
    rank_sum = average_ranks(np.ravel(score))[true].sum()
    return float((rank_sum - ones * (ones + 1) / 2) / (ones * zeros))
