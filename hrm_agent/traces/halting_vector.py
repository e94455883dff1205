"""The native batched environment of HRM-Halting-v0: many halting decisions at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from hrm_agent.traces.halting_env import CONTINUE, Decisions, Features, HaltingEnv, check_halting_options
from hrm_agent.traces.halting_picture import draw_decisions
from hrm_agent.traces.record import Traces
from hrm_env.envs.episode import HALT_REASONS, integers
from hrm_env.envs.numpy_form import masked
from hrm_env.envs.scalar import check_render_mode
from hrm_env.envs.slots import Seeds, check_autoreset, check_slots, reset_mask, shared_seed

VectorStep = tuple[Features, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]
_REASONS = np.array(HALT_REASONS, dtype=object)


class HaltingVectorEnv(VectorEnv[Features, npt.NDArray[np.int64], npt.NDArray[Any]]):
    """`hrm_agent.traces.halting_env.HaltingEnv` in B slots in lockstep.

    ``autoreset_mode`` is as in `hrm_env.envs.vector.PuzzleVectorEnv`.

    Args:
        traces: A recorded file or `Traces`.
        num_envs: Number of slots B.
        autoreset_mode: An `AutoresetMode` or its value.
        render_mode: ``"rgb_array"``; `render` returns a picture per slot.
        **options: Options of `Decisions.build`: ``cost``, ``features``, ``order``, ``abstain``, ``wrong_cost``.
    """

    metadata: dict[str, Any] = {**HaltingEnv.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        traces: str | Path | Traces | None = None,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.num_envs = check_slots(num_envs)
        self.autoreset_mode = check_autoreset(autoreset_mode)
        self.render_mode = check_render_mode(render_mode, self.metadata)
        check_halting_options(type(self), options)
        self.decisions = Decisions.build(traces, **options)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = self.decisions.observation_space
        self.single_action_space = spaces.Discrete(self.decisions.actions)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._every = np.ones(self.num_envs, dtype=np.bool_)
        self._cursor = 0
        self._index, self._segment, self._reason = np.zeros(
            (3, self.num_envs), dtype=np.int64
        )  # segment 0: no reset yet

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Features, dict[str, Any]]:
        """Starts an episode in every slot.

        Args:
            seed: One seed for all slots, or a list with one per slot, as in `hrm_env.envs.slots.shared_seed`.
            options: ``{"index": (B,) integers}`` chooses the puzzles by their rows in the traces; ``{"reset_mask":
                (B,) bool}`` resets only some slots.
        """
        seed, mask, index = shared_seed(seed, self.num_envs), reset_mask(options, self.num_envs), None
        if mask is not None and not self._segment[0]:
            raise gym.error.ResetNeeded("reset: expected a reset of all slots before one of some")
        super().reset(seed=seed)
        if seed is not None:
            self._cursor = 0
        if options and "index" in options:
            index = integers('options["index"]', options["index"], self.decisions.puzzles, (self.num_envs,))
        mask = self._every.copy() if mask is None else mask
        self._refill(mask, index)
        return self._observation(), masked({"index": self._index * mask}, mask)

    def step(self, actions: npt.NDArray[np.int64]) -> VectorStep:
        """Continues, halts or abstains in every slot; actions are ``(B,)`` integers."""
        if not self._segment[0]:
            raise gym.error.ResetNeeded("step: expected reset() before the first step")
        decided = integers("actions", actions, self.decisions.actions, (self.num_envs,))
        resting = self._reason > 0  # slots whose episode ended in an earlier step; none with SAME_STEP
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._refill(resting)
        elif resting.any():
            raise gym.error.ResetNeeded(
                'step: expected reset(options={"reset_mask": ...}) of the slots that have ended'
            )
        done = ((decided != CONTINUE) | (self._segment >= self.decisions.max_segments)) & ~resting
        correct, paid, reason = self.decisions.ending(self._index, self._segment, decided)
        correct, self._reason = correct & done, reason * done
        ending = self._ending(done, correct)
        self._segment += ~(done | resting)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._refill(done)
        reward = np.where(resting, 0.0, np.where(done, paid, -self.decisions.cost))
        info = masked({"index": self._index.copy()}, self._every.copy()) | ending
        return self._observation(), reward, done, np.zeros_like(done), info

    def _ending(self, done: npt.NDArray[np.bool_], correct: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Returns the infos about the episodes that end; must be called before their slots are refilled."""
        if not done.any():
            return {}
        info = {"correct": correct, "segments": self._segment * done, "halt_reason": _REASONS[self._reason]}
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            return masked(info, done)
        info["index"] = self._index * done  # 0 where no episode ends, as in Gymnasium's own vector environments
        last = np.full(self.num_envs, None, dtype=object)
        observation = self._observation()
        for slot in np.flatnonzero(done):
            last[slot] = observation[slot]
        return masked({"final_obs": last, "final_info": masked(info, done)}, done)

    def _refill(self, mask: npt.NDArray[np.bool_], index: npt.NDArray[np.int64] | None = None) -> None:
        """Starts an episode in some slots, with the puzzles of ``index (B,)`` or the next ones."""
        self._index[mask] = self._next_indices(int(np.count_nonzero(mask))) if index is None else index[mask]
        self._segment[mask] = 1
        self._reason[mask] = 0

    def _next_indices(self, count: int) -> npt.NDArray[np.int64]:
        """Returns the puzzles of the next ``count`` episodes."""
        if self.decisions.order == "random":
            return self.np_random.integers(self.decisions.puzzles, size=count)
        self._cursor += count
        return np.arange(self._cursor - count, self._cursor) % self.decisions.puzzles

    def _observation(self) -> Features:
        return self.decisions.observations[self._index, self._segment - 1]

    def render(self) -> tuple[Any, ...] | None:
        """Returns a picture per slot, as `HaltingEnv.render` does."""
        if self.render_mode is None or not self._segment[0]:
            return None
        slots = zip(self._index.tolist(), self._segment.tolist(), self._reason.tolist(), strict=True)
        return tuple(draw_decisions(self.decisions, *slot) for slot in slots)
