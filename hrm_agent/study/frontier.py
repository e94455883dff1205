"""The accuracy-compute frontier of a set of policies: the best accuracy for a number of segments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def frontier(cost: npt.ArrayLike, accuracy: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Returns the policies that no other policy dominates, by being at least as good in both and better in one.

    Args:
        cost: Mean segments of each policy, ``(P,)``.
        accuracy: Accuracy of each policy, ``(P,)``.

    Returns:
        Their indices by increasing cost, and thus by increasing accuracy; of policies that are equal in both, the
        first.
    """
    cost, accuracy = np.asarray(cost), np.asarray(accuracy)
    order = np.lexsort((-accuracy, cost))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], accuracy[order]]))[:-1]
    return order[accuracy[order] > best_before]


def frontier_area(cost: npt.ArrayLike, accuracy: npt.ArrayLike, budget: int) -> float:
    """Returns ∫₁ᴹ A(x) dx / (M − 1), the mean accuracy for a budget drawn uniformly from 1 to M mean segments.

    A(x) = max {accuracy_i: cost_i ≤ x} is a step function, because only measured policies count: it is 0 below the
    cheapest policy, and between two policies it is the accuracy of the cheaper one. Policies that cost more than M do
    not count. This is the area under the curve of budgeted prediction (MSDNet, arXiv 1703.09844, section 5).

    Args:
        cost: Mean segments of each policy, ``(P,)``, 1 or more.
        accuracy: Accuracy of each policy, ``(P,)``.
        budget: M, 2 or more.

    Raises:
        ValueError: The budget is below 2.
    """
    if budget < 2:
        raise ValueError(f"frontier_area: expected a budget of 2 segments or more, found {budget}")
    cost, accuracy = np.asarray(cost, np.float64), np.asarray(accuracy, np.float64)
    best = frontier(cost, accuracy)
    widths = np.diff(np.append(cost[best], budget).clip(max=budget))
    return float(accuracy[best] @ widths / (budget - 1))
