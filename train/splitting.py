"""Splits and samples of puzzles. Related puzzles, by group or by symmetry, stay on the same side of a split."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hrm_env.puzzles import Puzzles
from hrm_env.task import PuzzleTask

from .data_inspection import Inspection


def hold_out(
    task: PuzzleTask, puzzles: Puzzles, count: int | Literal["auto"], option: str = "--held-out"
) -> tuple[Puzzles, Puzzles]:
    """Holds out the last puzzles, at least ``count`` rows.

    Related puzzles, by group or by symmetry, stay together, in the place of the last of them.

    Args:
        task: The puzzle family.
        puzzles: N puzzles.
        count: Number of rows to hold out; "auto" is a tenth, at most 5,000.
        option: Name of the option that gives ``count``, for errors.

    Returns:
        The remaining and the held-out puzzles, each in their order; skipped rows are counted in the first.

    Raises:
        ValueError: No puzzle would remain.
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
    if held[first:].all():  # slices avoid a copy
        parts = (slice(first), slice(first, None))
    return puzzles[parts[0]], replace(puzzles[parts[1]], skipped=0)


def sample(puzzles: Puzzles, count: int, seed: int) -> Puzzles:
    """Draws ``count`` puzzles at random and returns them with all their variants, in their order.

    Raises:
        ValueError: There are fewer puzzles.
    """
    groups = np.unique(puzzles.group)
    if not 1 <= count <= len(groups):
        raise ValueError(f"--subsample: expected 1 to {len(groups)} puzzles, found {count}")
    return puzzles[np.isin(puzzles.group, np.random.default_rng(seed).choice(groups, count, replace=False))]


def related(task: PuzzleTask, puzzles: Puzzles) -> npt.NDArray[np.int64]:
    """Returns the number of each puzzle's family, ``(N,)``; a shared group or symmetry key links two puzzles."""
    links = [np.unique(column, return_inverse=True)[1] for column in (puzzles.group, Inspection(task, puzzles).keys)]
    family = np.arange(len(puzzles))
    while True:
        before = family
        for link in links:
            least = np.full(link.max() + 1, len(family))
            np.minimum.at(least, link, family)
            family = least[link]
        family = family[family]  # a family has the number of one of its rows, which may have joined another family
        if np.array_equal(family, before):
            return np.unique(family, return_inverse=True)[1]
