"""Groups of puzzles that are variants of one another, such as those of an ARC task.

What an agent does on variants of one puzzle is not independent, so whatever draws puzzles at random draws groups. A
column ``group (N,)`` names the group of each puzzle; without variants every puzzle is a group of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Groups = npt.NDArray[np.integer]


def count_groups(group: Groups) -> int:
    """The number G of different groups."""
    return len(np.unique(group))


def split_by_group(group: Groups, share: float, seed: int = 0, least: int = 0) -> npt.NDArray[np.bool_]:
    """Which puzzles ``(N,)`` belong to a share of the groups, drawn at random: ``round(G · share)`` of G.

    Both parts are random samples of the groups, whatever the order of the puzzles is, and no group stands in both. At
    least one group is left over.

    Args:
        group: Of each puzzle, ``(N,)``.
        share: Of the groups.
        seed: Of the draw.
        least: Groups to take at least.
    """
    names, number = np.unique(group, return_inverse=True)
    count = min(max(round(len(names) * share), least), len(names) - 1)
    drawn = np.zeros(len(names), np.bool_)
    drawn[np.random.default_rng((seed, 2)).permutation(len(names))[:count]] = True
    return np.asarray(drawn[number])


def one_of_each_group(group: Groups, seed: int = 0) -> npt.NDArray[np.int64]:
    """A puzzle of every group, drawn at random: the rows ``(G,)``, ascending."""
    order = np.random.default_rng((seed, 3)).permutation(len(group))
    _, first = np.unique(np.asarray(group)[order], return_index=True)
    return np.sort(order[first])


def group_sums(values: npt.NDArray[np.float64], group: Groups) -> npt.NDArray[np.float64]:
    """The sum of ``values (..., N)`` over each group, in the order of the groups' names: ``(..., G)``."""
    order = np.argsort(group, kind="stable")
    first = np.unique(np.asarray(group)[order], return_index=True)[1]
    return np.asarray(np.add.reduceat(values[..., order], first, axis=-1))
