"""The built-in puzzle families, by name: ``"sudoku:3x3"``, ``"maze:30x30"``, ``"copy:4x4"``."""

from __future__ import annotations

from collections.abc import Callable

from hrm_env.task import PuzzleTask
from hrm_env.tasks.arc import Arc
from hrm_env.tasks.copy import Copy
from hrm_env.tasks.maze import Maze
from hrm_env.tasks.sudoku import Sudoku

_FAMILIES: dict[str, Callable[[int, int], PuzzleTask]] = {"sudoku": Sudoku, "maze": Maze, "copy": Copy, "arc": Arc}


def make_task(task: str | PuzzleTask) -> PuzzleTask:
    """The task of a name such as ``"sudoku:2x3"``; a task itself is returned as it is.

    Raises:
        ValueError: The name is none of the built-in families, or its size is malformed.
    """
    if isinstance(task, PuzzleTask):
        return task
    family, _, size = task.partition(":")
    try:
        first, second = (int(part) for part in size.split("x"))
        return _FAMILIES[family](first, second)
    except (KeyError, ValueError) as error:
        known = ", ".join(f"{name}:<a>x<b>" for name in _FAMILIES)
        raise ValueError(f"task: expected a PuzzleTask or one of {known}, found {task!r} ({error})") from error
