"""The built-in puzzle families by name, such as ``"sudoku:3x3"``, ``"takuzu:6x6"`` or ``"maze:30x30"``."""

from __future__ import annotations

import re
from collections.abc import Callable

from hrm_env.checks import shortened
from hrm_env.task import PuzzleTask
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.copy import Copy
from hrm_env.tasks.futoshiki.task import Futoshiki
from hrm_env.tasks.maze.task import Maze
from hrm_env.tasks.nonogram.task import Nonogram
from hrm_env.tasks.reasoning_gym.digits import RGFutoshiki, RGSudoku
from hrm_env.tasks.reasoning_gym.distances import RGDistances
from hrm_env.tasks.reasoning_gym.queens import RGQueens
from hrm_env.tasks.sudoku.task import Sudoku
from hrm_env.tasks.takuzu.task import Takuzu

_FAMILIES: dict[str, Callable[[int, int], PuzzleTask]] = {
    "sudoku": Sudoku,
    "takuzu": Takuzu,
    "futoshiki": Futoshiki,
    "nonogram": Nonogram,
    "maze": Maze,
    "copy": Copy,
    "arc": Arc,
    "rg_sudoku": RGSudoku,
    "rg_futoshiki": RGFutoshiki,
    "rg_queens": RGQueens,
    "rg_distances": RGDistances,
}


def make_task(task: str | PuzzleTask) -> PuzzleTask:
    """Returns the task of a name such as ``"sudoku:2x3"``; a task is returned unchanged.

    Raises:
        ValueError: ``task`` is neither, or the family has no puzzles of this size.
    """
    if isinstance(task, PuzzleTask):
        return task
    named = re.fullmatch(r"([a-z_]+):([0-9]{1,6})x([0-9]{1,6})", task) if isinstance(task, str) else None
    if not named or named[1] not in _FAMILIES:
        known = ", ".join(f"{name}:<a>x<b>" for name in _FAMILIES)
        raise ValueError(f"task: expected a PuzzleTask or one of {known}, found {shortened(task)}")
    return _FAMILIES[named[1]](int(named[2]), int(named[3]))
