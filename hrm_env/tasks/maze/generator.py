"""Generates mazes with long shortest paths: tries many layouts at once and keeps those with two distant cells."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_env.tasks.maze.search import Masks, column_bits, flood, grow, longest_path, pack, single_cells, spread

_WALLS = (0.3, 0.5)  # bounds of a layout's share of walls, as they seem to be in Maze-Hard
_LEVELS = 1 << 16  # resolution of that share; random integers are faster than floats
_BATCH = 2048  # layouts tried at once; their masks fit into a core's cache
_SWEEPS = 2
_CENTRAL = 64  # cells of which at least one is free
_POOL, _PLACES = 48, 8  # layouts that compete, and the largest number of places
_FIRSTS = 1 / 16  # share of the cells tried as the first of a pair
_RARE = 20_000  # layouts tried in vain before an error says that almost none qualifies

Grids = npt.NDArray[np.bool_]
Cell = tuple[int, int]


class SolvedMaze(NamedTuple):
    """One maze.

    Attributes:
        free: Cells that are not walls, ``(H, W)`` bool.
        path: Row and column of each cell of a shortest path, from start to goal.
    """

    free: Grids
    path: list[Cell]


def make_mazes(
    count: int, height: int, width: int, bounds: tuple[int, int], rng: np.random.Generator
) -> list[SolvedMaze]:
    """Generates random layouts with a random pair of cells whose shortest path has a length within bounds.

    Maze-Hard seems to use plain rejection: it draws layout, S and G until they fit. That takes 60,000 tries per maze,
    and weights a layout by its number of qualifying pairs. Here, sweeps (`reach`) find layouts with a pair that is far
    enough apart, and pairs of 48 such layouts are drawn until 8 layouts have one. So layouts with many pairs are also
    preferred, but slightly less.

    Args:
        count: Number of mazes.
        height: Rows.
        width: Columns.
        bounds: Smallest and largest length of the path in cells, including both ends.
        rng: The only source of randomness.

    Raises:
        ValueError: The bounds are impossible, or almost no layout meets them.
    """
    _check(bounds, height, width)
    mazes: list[SolvedMaze] = []
    far = np.empty((0, height, width), dtype=np.bool_)
    tried = found = 0
    while len(mazes) < count:
        free = _random_layouts(height, width, rng)
        fresh = free[reach(free, bounds[0] - 1)]
        far, tried, found = np.concatenate([far, fresh]), tried + len(free), found + len(fresh)
        while len(far) >= _POOL and len(mazes) < count:
            mazes += _draw_mazes(far[:_POOL], bounds, rng)
            far = far[_POOL:]
        if tried > _RARE * (found + 1):
            raise ValueError(
                f"min_rating: only {found} of {tried} random {height}x{width} mazes have a shortest path of "
                f"{bounds[0]} cells or more; ask for less"
            )
    return mazes[:count]


def _check(bounds: tuple[int, int], height: int, width: int) -> None:
    low, high = bounds
    longest = longest_path(height, width)
    if not 2 <= low <= longest:
        raise ValueError(f"min_rating: expected 2 to {longest} cells in a {height}x{width} maze, found {low}")
    if high < low:
        raise ValueError(f"max_rating: expected at least min_rating, which is {low}, found {high}")


def _random_layouts(height: int, width: int, rng: np.random.Generator) -> Grids:
    """Draws free cells ``(S, H, W)``; each layout has its own wall probability, uniform within bounds."""
    walls = (rng.uniform(*_WALLS, (_BATCH, 1, 1)) * _LEVELS).astype(np.uint16)
    return rng.integers(_LEVELS, size=(_BATCH, height, width), dtype=np.uint16) >= walls


def central_cells(free: Grids) -> Masks:
    """Returns the free cell closest to the centre of each layout ``(S, H, W)`` as masks ``(H, S)``."""
    count, height, width = free.shape
    rows, columns = np.divmod(np.arange(height * width), width)
    outwards = np.argsort(abs(2 * rows + 1 - height) + abs(2 * columns + 1 - width), kind="stable")[:_CENTRAL]
    cell = outwards[free.reshape(count, -1)[:, outwards].argmax(axis=1)]
    return single_cells(np.stack(np.divmod(cell, width), axis=1), height, width)


def reach(layouts: Grids, steps: int) -> npt.NDArray[np.bool_]:
    """Returns whether sweeps find two cells ``steps`` apart in each layout ``(S, H, W)``, ``(S,)`` bool.

    The first sweep floods from the centre as far as possible, and the next one starts where it ended. A pair that is
    found exists; a pair that is not found may exist in a corner or component that the sweeps did not reach.
    """
    free, start = pack(layouts), central_cells(layouts)
    found = np.zeros(len(layouts), dtype=np.bool_)
    # no two cells of a component are further apart than twice the largest distance from any one of its cells; from the
    # centre, which is close to all cells, this excludes most layouts at half the cost of a sweep
    near = spread(start, free, (steps - 1) // 2)
    hopeful = np.flatnonzero((grow(near, free) != near).any(axis=0))
    start = start[:, hopeful]
    for _ in range(_SWEEPS):
        sweep = flood(free[:, hopeful], start, steps)
        arrived = sweep.steps == steps
        found[hopeful[arrived]] = True
        hopeful, start = hopeful[~arrived], _first_cell(sweep.last[:, ~arrived])
    return found


def _first_cell(cells: Masks) -> Masks:
    """Returns one cell of each set ``(H, S)``: the first one in the first row that has any."""
    row = (cells != 0).argmax(axis=0)[None]
    first = np.take_along_axis(cells, row, axis=0)
    result = np.zeros_like(cells)
    np.put_along_axis(result, row, first & (~first + 1), axis=0)  # the lowest bit
    return result


def _draw_mazes(free: Grids, bounds: tuple[int, int], rng: np.random.Generator) -> list[SolvedMaze]:
    """Draws pairs uniformly among all that qualify in the layouts ``(S, H, W)``, at most one per layout.

    For speed, only a few cells may be the first of a pair, each with the same probability.
    """
    tried = rng.random(free.shape) < _FIRSTS
    starts, goals = far_pairs(free, tried, bounds[0] - 1, bounds[1] - 1)
    order = rng.permutation(len(starts))
    first_of_layout = np.unique(starts[order, 0], return_index=True)[1]
    mazes = []
    for pair in order[np.sort(first_of_layout)[:_PLACES]]:
        (layout, *start), goal = starts[pair].tolist(), goals[pair].tolist()
        mazes.append(SolvedMaze(free[layout], first_parent_path(free[layout], tuple(start), tuple(goal))))
    return mazes


def far_pairs(free: Grids, tried: Grids, low: int, high: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns all ordered pairs of cells in a layout that are ``low`` to ``high`` steps apart.

    Args:
        free: Cells that are not walls, ``(S, H, W)`` bool.
        tried: Cells that may be the first of a pair, ``(S, H, W)`` bool.
        low: Smallest number of steps.
        high: Largest number of steps.

    Returns:
        Layout, row and column of the first cells, ``(P, 3)``; row and column of the second cells, ``(P, 2)``.
    """
    starts = np.argwhere(free & tried)
    layouts = pack(free)[:, starts[:, 0]]
    near = spread(single_cells(starts[:, 1:], *free.shape[1:]), layouts, low - 1)
    far = spread(near, layouts, high - low + 1) & ~near
    some = far.any(axis=0)
    start, row, column = ((far.T[some, :, None] & column_bits(free.shape[2])) != 0).nonzero()
    return starts[some][start], np.stack([row, column], axis=1)


def first_parent_path(free: Grids, start: Cell, goal: Cell) -> list[Cell]:
    """Returns the shortest path from start to goal that Maze-Hard stores among all shortest paths.

    A breadth-first search from the start visits neighbours in the order down, left, right, up; a cell's parent is the
    first cell that reaches it.

    Args:
        free: Cells that are not walls, ``(H, W)`` bool.
        start: Row and column of the start.
        goal: Row and column of the goal, which must be reachable.
    """
    parent: dict[Cell, Cell] = {start: start}
    unseen = set(zip(*(axis.tolist() for axis in free.nonzero()), strict=True)) - {start}
    queue = deque([start])
    while goal not in parent:
        row, column = cell = queue.popleft()
        for neighbour in ((row + 1, column), (row, column - 1), (row, column + 1), (row - 1, column)):
            if neighbour in unseen:
                unseen.remove(neighbour)
                parent[neighbour] = cell
                queue.append(neighbour)
    path = [goal]
    while path[-1] != start:
        path.append(parent[path[-1]])
    return path[::-1]
