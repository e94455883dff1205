"""Mazes, and textbook algorithms that check them: plain Python, cell by cell."""

from itertools import pairwise

import numpy as np

from hrm_env.tasks.maze.task import FREE, GOAL, PATH, START, WALL

Cell = tuple[int, int]


def find(grid: np.ndarray, token: int) -> list[Cell]:
    return [(int(row), int(column)) for row, column in np.argwhere(grid == token)]


def neighbours(cell: Cell) -> list[Cell]:
    row, column = cell
    return [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]


def steps_from(grid: np.ndarray, start: Cell) -> dict[Cell, int]:
    """Returns the number of steps to every reachable cell."""
    steps, queue = {start: 0}, [start]
    for cell in queue:
        for near in neighbours(cell):
            inside = 0 <= near[0] < grid.shape[0] and 0 <= near[1] < grid.shape[1]
            if inside and grid[near] != WALL and near not in steps:
                steps[near] = steps[cell] + 1
                queue.append(near)
    return steps


def is_shortest_path(grid: np.ndarray, answer: np.ndarray) -> bool:
    """Returns whether only blanks became path, and the path has one cell at each distance from S to G."""
    (start,), (goal,) = find(grid, START), find(grid, GOAL)
    steps = steps_from(grid, start)
    path = sorted(find(answer, PATH), key=lambda cell: steps.get(cell, -1))
    way = [start, *path, goal]
    return (
        np.array_equal(np.where(answer == PATH, FREE, answer), grid)
        and [steps.get(cell) for cell in way] == list(range(len(way)))
        and all(after in neighbours(before) for before, after in pairwise(way))
    )


def random_maze(shape: tuple[int, int], walls: float, rng: np.random.Generator) -> np.ndarray:
    """Returns tokens ``(H, W)`` with S and G anywhere; a path may be missing."""
    grid = np.where(rng.random(shape) < walls, WALL, FREE).astype(np.uint8)
    grid.flat[rng.choice(grid.size, 2, replace=False)] = START, GOAL
    return grid


def random_path(grid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the maze with a random shortest path, drawn backwards from G."""
    (start,), (cell,) = find(grid, START), find(grid, GOAL)
    steps, answer = steps_from(grid, start), grid.copy()
    while steps[cell] > 1:
        back = [near for near in neighbours(cell) if steps.get(near) == steps[cell] - 1]
        cell = back[rng.integers(len(back))]
        answer[cell] = PATH
    return answer
