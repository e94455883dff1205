"""Many halting decisions at once: HRM-Halting-v0's native batched environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from hrm_agent.analysis.traces import Traces
from hrm_agent.halting_env import HALT, Decisions, Features
from hrm_env.numpy_form import masked
from hrm_env.rules import HALT_REASONS, integers

VectorStep = tuple[Features, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]
_REASONS = np.array(HALT_REASONS, dtype=object)


class HaltingVectorEnv(VectorEnv[Features, npt.NDArray[np.int64], npt.NDArray[Any]]):
    """`hrm_agent.halting_env.HaltingEnv`, B slots in lockstep. Autoreset is SAME_STEP.

    A slot whose episode ends is refilled in the same step: the returned observation is the new puzzle's, and
    ``info["final_obs"]``, ``info["final_info"]`` the finished one's.

    Args:
        traces: A recorded file or `Traces`.
        num_envs: Slots B.
        **options: Those of `Decisions.build`: ``cost``, ``features``, ``order``.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, traces: str | Path | Traces, num_envs: int = 1, **options: Any) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs: expected at least 1, found {num_envs}")
        self.decisions = Decisions.build(traces, **options)
        self.num_envs = num_envs
        self.single_observation_space = self.decisions.observation_space
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._every = np.ones(num_envs, dtype=np.bool_)
        self._cursor = 0
        self._index = np.zeros(num_envs, dtype=np.int64)
        self._segment = np.zeros(num_envs, dtype=np.int64)  # none before the first reset

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, dict[str, Any]]:
        """Begins an episode in every slot.

        Args:
            seed: One seed for all slots; of a list, which Gymnasium allows, the first counts.
            options: ``{"index": (B,) integers}`` picks the puzzles, by their rows in the traces.
        """
        seed = seed[0] if isinstance(seed, list) else seed
        super().reset(seed=seed)
        if seed is not None:
            self._cursor = 0
        if options and "index" in options:
            self._index = integers('options["index"]', options["index"], self.decisions.puzzles, (self.num_envs,))
        else:
            self._index = self._next_indices(self.num_envs)
        self._segment = np.ones(self.num_envs, dtype=np.int64)
        return self._observation(), masked({"index": self._index.copy()}, self._every.copy())

    def step(self, actions: npt.NDArray[np.int64]) -> VectorStep:
        """Continues or halts in every slot, ``(B,)`` zeros and ones."""
        if not self._segment[0]:
            raise gym.error.ResetNeeded("step: expected reset() before the first step")
        halt = integers("actions", actions, 2, (self.num_envs,)) == HALT
        done = halt | (self._segment >= self.decisions.max_segments)
        correct = self.decisions.correct[self._index, self._segment - 1] & done
        final = self._final(done, halt, correct)
        self._segment = np.where(done, 1, self._segment + 1)
        self._index[done] = self._next_indices(int(np.count_nonzero(done)))
        info = masked({"index": self._index.copy()}, self._every.copy()) | final
        return self._observation(), correct - self.decisions.cost, done, np.zeros_like(done), info

    def _final(
        self, done: npt.NDArray[np.bool_], halt: npt.NDArray[np.bool_], correct: npt.NDArray[np.bool_]
    ) -> dict[str, Any]:
        """Observation and info of the episodes that end, before their slots are refilled; nothing where none does."""
        if not done.any():
            return {}
        last = np.full(self.num_envs, None, dtype=object)
        observation = self._observation()
        for slot in np.flatnonzero(done):
            last[slot] = observation[slot]
        info = {
            "index": self._index * done,  # 0 where no episode ends, as in Gymnasium's own vector environments
            "correct": correct,
            "segments": self._segment * done,
            "halt_reason": _REASONS[np.where(halt, 1, 2) * done],
        }
        return masked({"final_obs": last, "final_info": masked(info, done)}, done)

    def _next_indices(self, count: int) -> npt.NDArray[np.int64]:
        """The puzzles of the next ``count`` episodes."""
        if self.decisions.order == "random":
            return self.np_random.integers(self.decisions.puzzles, size=count)
        self._cursor += count
        return np.arange(self._cursor - count, self._cursor) % self.decisions.puzzles

    def _observation(self) -> Features:
        return self.decisions.observations[self._index, self._segment - 1]
