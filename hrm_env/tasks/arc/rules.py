"""Simple rules from grid to grid, for ARC tasks without files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hrm_env.tasks.arc.grids import NUM_COLOURS, Grid


def random_grid(rng: np.random.Generator, side: int) -> Grid:
    """Draws a rectangle of up to ``side`` rows and columns, about half of its cells coloured."""
    shape = rng.integers(3, side, size=2, endpoint=True)
    colours = rng.integers(1, NUM_COLOURS, size=shape, dtype=np.uint8)
    return colours * rng.integers(2, size=shape, dtype=np.uint8)


def _recolour(grid: Grid) -> Grid:
    """Replaces every colour by the next one, and the last by the first."""
    return np.where(grid > 0, grid % 9 + 1, 0).astype(np.uint8)


def _outline(grid: Grid) -> Grid:
    framed = np.full_like(grid, 8)
    framed[1:-1, 1:-1] = grid[1:-1, 1:-1]
    return framed


def _gravity(grid: Grid) -> Grid:
    """Moves coloured cells to the bottom of their column, in their order."""
    return np.take_along_axis(grid, np.argsort(grid > 0, axis=0, kind="stable"), axis=0)


def _left_half(grid: Grid) -> Grid:
    return grid[:, : (grid.shape[1] + 1) // 2]


RULES: dict[str, Callable[[Grid], Grid]] = {
    "mirror": np.fliplr,
    "transpose": np.transpose,
    "rotate": np.rot90,
    "recolour": _recolour,
    "outline": _outline,
    "gravity": _gravity,
    "left half": _left_half,
}
"""Rules by the name of their puzzle id; no output is higher or wider than its input's longer side."""
