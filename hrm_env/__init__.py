"""Puzzles as Gymnasium environments in which each deep-supervision segment is a step.

Importing this package registers the ids, and reads, generates and imports nothing else. The names in `__all__` are
public and imported on first use; all other modules are internal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from hrm_env.drawing import draw_puzzle, write_puzzle
    from hrm_env.envs.scalar import PuzzleEnv
    from hrm_env.envs.spaces import pack_action, unpack_action
    from hrm_env.envs.vector import PuzzleVectorEnv
    from hrm_env.puzzles import Puzzles
    from hrm_env.sources import load_puzzles
    from hrm_env.style import Style
    from hrm_env.symmetry import Symmetry
    from hrm_env.task import PuzzleBatch, PuzzleSpec, PuzzleTask
    from hrm_env.tasks import make_task
    from hrm_env.testing import check_task

__all__ = [
    "PuzzleBatch",
    "PuzzleEnv",
    "PuzzleSpec",
    "PuzzleTask",
    "PuzzleVectorEnv",
    "Puzzles",
    "Style",
    "Symmetry",
    "__version__",
    "check_task",
    "draw_puzzle",
    "load_puzzles",
    "make_task",
    "pack_action",
    "register",
    "registered_ids",
    "unpack_action",
    "write_puzzle",
]

_HOMES = {
    "PuzzleBatch": "task",
    "PuzzleEnv": "envs.scalar",
    "PuzzleSpec": "task",
    "PuzzleTask": "task",
    "PuzzleVectorEnv": "envs.vector",
    "Puzzles": "puzzles",
    "Style": "style",
    "Symmetry": "symmetry",
    "check_task": "testing",
    "draw_puzzle": "drawing",
    "load_puzzles": "sources",
    "make_task": "tasks",
    "pack_action": "envs.spaces",
    "unpack_action": "envs.spaces",
    "write_puzzle": "drawing",
}

__version__ = "0.1.0"
"""Version of hrm-gym: of the environments, the agent and the commands."""

_ENTRY_POINT = "hrm_env.envs.scalar:PuzzleEnv"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def register(id: str, task: Any, **options: Any) -> None:
    """Registers a puzzle with Gymnasium: scalar and batched environment under one id.

    Args:
        id: Id, such as ``"HRM-Latin-v0"``.
        task: A `PuzzleTask`, or the name of a built-in one such as ``"sudoku:2x3"``.
        **options: Defaults of the environment's options.
    """
    gym.register(
        id,
        entry_point=_ENTRY_POINT,
        vector_entry_point="hrm_env.envs.vector:PuzzleVectorEnv",
        kwargs={"task": task, **options},
    )


def registered_ids() -> list[str]:
    """Returns all ids registered with `register`."""
    return [id for id, spec in gym.registry.items() if spec.entry_point == _ENTRY_POINT]


register("HRM-Sudoku-v0", "sudoku:3x3")
register("HRM-Sudoku6x6-v0", "sudoku:2x3")
register("HRM-Sudoku4x4-v0", "sudoku:2x2")
register("HRM-Maze-v0", "maze:30x30")
register("HRM-Maze10x10-v0", "maze:10x10")
register("HRM-ARC-v0", "arc:30x30")
register("HRM-Copy-v0", "copy:4x4")
