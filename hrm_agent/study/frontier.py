"""The accuracy-compute curve: what accuracy is to be had for how many segments, over a set of policies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def frontier(cost: npt.ArrayLike, accuracy: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The policies that no other one beats: none is as cheap and as accurate, and better in one of the two.

    Args:
        cost: Mean segments of each policy, ``(P,)``.
        accuracy: Its accuracy, ``(P,)``.

    Returns:
        Their indices, from cheap to dear, and so from low accuracy to high; of policies that are alike in both, the
        first.
    """
    cost, accuracy = np.asarray(cost), np.asarray(accuracy)
    order = np.lexsort((-accuracy, cost))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], accuracy[order]]))[:-1]
    return order[accuracy[order] > best_before]


def frontier_area(cost: npt.ArrayLike, accuracy: npt.ArrayLike, budget: int) -> float:
    """∫₁ᴹ A(x) dx / (M − 1), the mean accuracy to be had for a budget drawn evenly from 1..M mean segments.

    A(x) = max {accuracy_i: cost_i ≤ x} is a step function, because only what was measured counts: 0 below the
    cheapest policy, and between two policies that of the cheaper one. Policies that cost more than M do not count.
    It is the area under the curve of budgeted prediction (MSDNet, arXiv 1703.09844, section 5), over segments.

    Args:
        cost: Mean segments of each policy, ``(P,)``, 1 or more.
        accuracy: Its accuracy, ``(P,)``.
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
