"""Groups of puzzles that are variants of one another, such as those of an ARC task.

Results on variants of one puzzle are not independent, so every random draw of puzzles is a draw of groups. A column
``group (N,)`` names the group of each puzzle; without variants every puzzle is a group of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Groups = npt.NDArray[np.integer]


def split_by_group(group: Groups, share: float, seed: int = 0, least: int = 0) -> npt.NDArray[np.bool_]:
    """Draws a share of the groups at random, ``round(G · share)`` of G, and marks their puzzles, ``(N,)``.

    Both parts are random samples of the groups for any order of the puzzles, and no group is in both. At least one
    group is not drawn.

    Args:
        group: Group of each puzzle, ``(N,)``.
        share: Share of the groups.
        seed: Seed for the draw.
        least: Least number of groups to draw.
    """
    names, number = np.unique(group, return_inverse=True)
    count = min(max(round(len(names) * share), least), len(names) - 1)
    drawn = np.zeros(len(names), np.bool_)
    drawn[np.random.default_rng((seed, 2)).permutation(len(names))[:count]] = True
    return np.asarray(drawn[number])


def one_of_each_group(group: Groups, seed: int = 0) -> npt.NDArray[np.int64]:
    """Draws one puzzle of every group at random and returns their rows ``(G,)``, ascending."""
    order = np.random.default_rng((seed, 3)).permutation(len(group))
    _, first = np.unique(np.asarray(group)[order], return_index=True)
    return np.sort(order[first])


def group_sums(values: npt.NDArray[np.float64], group: Groups) -> npt.NDArray[np.float64]:
    """Returns the sum of ``values (..., N)`` over each group, ``(..., G)``, in ascending order of the groups."""
    order = np.argsort(group, kind="stable")
    first = np.unique(np.asarray(group)[order], return_index=True)[1]
    return np.asarray(np.add.reduceat(values[..., order], first, axis=-1))
