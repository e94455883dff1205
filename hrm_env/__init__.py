"""Puzzles as Gymnasium environments in which each deep-supervision segment is a step.

Importing this package registers the ids; nothing is read, generated or imported until one is made.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

__all__ = ["__version__", "register", "registered_ids"]

__version__ = "0.1.0"
"""Of hrm-gym: of the environments, the agent and the commands."""

_ENTRY_POINT = "hrm_env.envs.scalar:PuzzleEnv"


def register(id: str, task: Any, **options: Any) -> None:
    """Registers a puzzle with Gymnasium: scalar and batched environment under one id.

    Args:
        id: Such as ``"HRM-Latin-v0"``.
        task: A `hrm_env.task.PuzzleTask`, or the name of a built-in one such as ``"sudoku:2x3"``.
        **options: Defaults of the environment's options.
    """
    gym.register(
        id,
        entry_point=_ENTRY_POINT,
        vector_entry_point="hrm_env.envs.vector:PuzzleVectorEnv",
        kwargs={"task": task, **options},
    )


def registered_ids() -> list[str]:
    """All ids registered with `register`."""
    return [id for id, spec in gym.registry.items() if spec.entry_point == _ENTRY_POINT]


register("HRM-Sudoku-v0", "sudoku:3x3")
register("HRM-Sudoku6x6-v0", "sudoku:2x3")
register("HRM-Sudoku4x4-v0", "sudoku:2x2")
register("HRM-Maze-v0", "maze:30x30")
register("HRM-Maze10x10-v0", "maze:10x10")
register("HRM-ARC-v0", "arc:30x30")
register("HRM-Copy-v0", "copy:4x4")
