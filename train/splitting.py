"""Parts of a set of puzzles, which share no puzzle with the rest: not as variants of one group, nor up to symmetry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hrm_env.puzzles import Puzzles
from hrm_env.task import PuzzleTask

from .data_inspection import Part


def hold_out(
    task: PuzzleTask, puzzles: Puzzles, count: int | Literal["auto"], option: str = "--held-out"
) -> tuple[Puzzles, Puzzles]:
    """All but the last puzzles, and the last ones, of at least ``count`` rows.

    What is related, by group or by symmetry, stays together: it counts as standing where its last row stands.

    Args:
        task: The puzzle family.
        puzzles: N puzzles.
        count: How many rows to hold out; "auto" is a tenth, at most 5,000.
        option: Where ``count`` comes from, for errors.

    Returns:
        Both parts in their order; the bad rows skipped are counted in the first.

    Raises:
        ValueError: Nothing would be left of the first part.
    """
    wanted = max(1, min(5000, len(puzzles) // 10)) if count == "auto" else count
    family = related(task, puzzles)
    sizes, last = np.bincount(family), np.zeros(family.max() + 1, dtype=np.int64)
    np.maximum.at(last, family, np.arange(len(family)))
    order = np.argsort(-last)
    rows = np.cumsum(sizes[order])
    chosen = order[: np.searchsorted(rows, wanted) + 1]
    if wanted < 1 or len(chosen) == len(order):
        most = f"1 to {rows[-2]} training puzzles" if len(rows) > 1 else "puzzles that are no variants of each other"
        raise ValueError(f"{option}: expected {most}, found {count}")
    held = np.isin(family, chosen)
    first = int(held.argmax())
    parts: tuple[Any, Any] = (~held, held)
    if held[first:].all():  # slices, which copy nothing
        parts = (slice(first), slice(first, None))
    return puzzles[parts[0]], replace(puzzles[parts[1]], skipped=0)


def sample(puzzles: Puzzles, count: int, seed: int) -> Puzzles:
    """A random choice of ``count`` puzzles with all their variants, in their order.

    Raises:
        ValueError: There are not as many.
    """
    groups = np.unique(puzzles.group)
    if not 1 <= count <= len(groups):
        raise ValueError(f"--subsample: expected 1 to {len(groups)} puzzles, found {count}")
    return puzzles[np.isin(puzzles.group, np.random.default_rng(seed).choice(groups, count, replace=False))]


def related(task: PuzzleTask, puzzles: Puzzles) -> npt.NDArray[np.int64]:
    """The number of each puzzle's family, ``(N,)``: of all linked by a shared group or symmetry key."""
    links = [np.unique(column, return_inverse=True)[1] for column in (puzzles.group, Part(task, puzzles).keys)]
    family = np.arange(len(puzzles))
    while True:
        before = family
        for link in links:
            least = np.full(link.max() + 1, len(family))
            np.minimum.at(least, link, family)
            family = least[link]
        family = family[family]  # a row's number is that of an earlier row, which may have been linked further
        if np.array_equal(family, before):
            return np.unique(family, return_inverse=True)[1]
