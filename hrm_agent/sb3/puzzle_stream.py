"""One way to step every kind of environment with tensors.

The native environment is stepped as it is; any other `VecEnv` takes and returns arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs
from torch import Tensor

from hrm_agent.sb3.vec_env import NativeVecEnv
from hrm_env.envs.spaces import pack_action
from hrm_env.task import PuzzleBatch


class StreamStep(NamedTuple):
    """Result of one step.

    Attributes:
        reward: ``(B,)`` float32.
        done: Slots whose episode ended, ``(B,)`` bool.
        infos: A dict for each slot of an SB3 environment; None for the native one, which has tensors.
    """

    reward: Tensor
    done: Tensor
    infos: list[dict[str, Any]] | None = None


class PuzzleStream:
    """The training environment as tensors: the puzzles in the slots now, and a step.

    Args:
        env: Any `VecEnv` of puzzles.
        device: The agent's device.

    Attributes:
        native: The environment, if it is the native one.
    """

    def __init__(self, env: VecEnv, device: torch.device) -> None:
        self.env, self.device = env, device
        self.native = env if isinstance(env, NativeVecEnv) else None

    def begin(self, observation: VecEnvObs) -> None:
        """Begins with the puzzles that `VecEnv.reset` returned."""
        if self.native is None:
            self._slots = self._read(observation)

    def current(self) -> tuple[PuzzleBatch, Tensor]:
        """Returns the puzzles in the slots and the segments that each has used, ``(B,)`` int64; 0 begins an episode."""
        batch, segment = self._slots if self.native is None else self.native.native.current()
        return PuzzleBatch(*(tensor.to(self.device) for tensor in batch)), segment.to(self.device)

    def step(self, answer: Tensor, halt: Tensor) -> StreamStep:
        """Hands in answers ``(B, L)`` and halt decisions ``(B,)``."""
        action = pack_action(answer, halt)
        if self.native is not None:
            _, reward, done, _, _ = self.native.native.step_tensors(action.to(self.native.native.device))
            return StreamStep(reward.to(self.device), done.to(self.device))
        observation, rewards, dones, infos = self.env.step(action.cpu().numpy())
        self._slots = self._read(observation)
        reward, done = (torch.as_tensor(array, device=self.device) for array in (rewards, dones))
        return StreamStep(reward, done, infos)

    def _read(self, observation: VecEnvObs) -> tuple[PuzzleBatch, Tensor]:
        """Returns what `current` returns, from arrays."""
        shown = cast(dict[str, np.ndarray], observation)
        solution = np.stack([info["solution"] for info in self.env.unwrapped.reset_infos])
        arrays = (shown["inputs"], solution, shown["puzzle_id"], shown["segment"])
        inputs, solutions, puzzle_id, segment = (torch.as_tensor(array).to(self.device).long() for array in arrays)
        return PuzzleBatch(inputs, solutions, puzzle_id), segment
