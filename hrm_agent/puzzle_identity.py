"""Which puzzles an agent is made for, and whether an environment holds them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from hrm_agent.errors import CheckpointError
from hrm_env.envs.spaces import ObservationSizes, sizes_of
from hrm_env.task import PuzzleTask
from hrm_env.tasks import make_task


@dataclass(frozen=True)
class PuzzleIdentity:
    """The task's name, where the environment tells it in ``metadata["task"]``, and the sizes."""

    task: str | None
    sizes: ObservationSizes

    @classmethod
    def of(cls, env: Any) -> PuzzleIdentity:
        """Returns the identity of the puzzles of a scalar, vector or SB3 environment.

        Raises:
            ValueError: Its observation is not that of a puzzle.
        """
        task = (env.metadata or {}).get("task")
        space = getattr(env, "single_observation_space", env.observation_space)
        return cls(task if isinstance(task, str) else None, sizes_of(space))

    def require(self, env: Any, whose: str) -> None:
        """Refuses an environment of other puzzles; its budget of segments may differ.

        Raises:
            CheckpointError: Says what ``whose`` puzzles are and what the environment holds.
        """
        other = PuzzleIdentity.of(env)
        other_task = None not in (self.task, other.task) and self.task != other.task
        if other_task or replace(other.sizes, max_segments=0) != replace(self.sizes, max_segments=0):
            raise CheckpointError(f"{whose} for {self}, found an environment of {other}")

    def __str__(self) -> str:
        """Such as "sudoku:3x3 (81 cells, 11 tokens)"."""
        return f"{self.task or 'puzzles'} ({self.sizes.seq_len} cells, {self.sizes.vocab_size} tokens)"


def puzzle_task(env: Any, name: str | None) -> PuzzleTask | None:
    """The puzzle family of an SB3 environment or, without one, of this name; None where neither tells it."""
    if env is not None and env.has_attr("rules"):
        return cast(PuzzleTask, env.get_attr("rules", 0)[0].task)
    try:
        return make_task(name or "")
    except ValueError:
        return None
