"""Puzzles as Gymnasium environments in which each deep-supervision segment is a step.

Importing this package registers the ids, and reads, generates and imports nothing else. The names in `__all__` are
public and imported on first use; all other modules are internal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym

from hrm_env.extras import late_names

if TYPE_CHECKING:  # imported on first use
    from hrm_env.drawing import draw_puzzle as draw_puzzle
    from hrm_env.drawing import write_puzzle as write_puzzle
    from hrm_env.envs.scalar import PuzzleEnv as PuzzleEnv
    from hrm_env.envs.spaces import pack_action as pack_action
    from hrm_env.envs.spaces import unpack_action as unpack_action
    from hrm_env.envs.vector import PuzzleVectorEnv as PuzzleVectorEnv
    from hrm_env.puzzles import Puzzles as Puzzles
    from hrm_env.sources import load_puzzles as load_puzzles
    from hrm_env.style import Style as Style
    from hrm_env.symmetry import Symmetry as Symmetry
    from hrm_env.task import PuzzleBatch as PuzzleBatch
    from hrm_env.task import PuzzleSpec as PuzzleSpec
    from hrm_env.task import PuzzleTask as PuzzleTask
    from hrm_env.tasks import make_task as make_task
    from hrm_env.testing import check_task as check_task
else:
    __all__, __getattr__ = late_names(__name__)
    __all__ += ["__version__", "register", "registered_ids"]

__version__ = "0.1.0"
"""Version of hrm-gym: of the environments, the agent and the commands."""

_ENTRY_POINT = "hrm_env.envs.scalar:PuzzleEnv"


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
register("HRM-Takuzu6x6-v0", "takuzu:6x6")
register("HRM-Takuzu-v0", "takuzu:10x10")
register("HRM-Futoshiki-v0", "futoshiki:5x5")
register("HRM-Futoshiki4x4-v0", "futoshiki:4x4")
register("HRM-Nonogram-v0", "nonogram:10x10")
register("HRM-Nonogram5x5-v0", "nonogram:5x5")
register("HRM-Maze-v0", "maze:30x30")
register("HRM-Maze20x20-v0", "maze:20x20")
register("HRM-Maze10x10-v0", "maze:10x10")
register("HRM-ARC-v0", "arc:30x30")
register("HRM-Copy-v0", "copy:4x4")
