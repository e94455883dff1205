"""One way to step every kind of environment with tensors.

For the native environment without a detour over numpy, for any other `VecEnv` with one.
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
    """What one step gives.

    Attributes:
        reward: ``(B,)`` float32.
        done: Ended episodes, ``(B,)`` bool.
        infos: One for each slot of an SB3 environment; None for the native one, which has tensors.
    """

    reward: Tensor
    done: Tensor
    infos: list[dict[str, Any]] | None = None


class PuzzleStream:
    """The training environment as tensors: the puzzles in the slots now, and a step.

    Args:
        env: Any `VecEnv` of puzzles.
        device: The agent's device.
    """

    def __init__(self, env: VecEnv, device: torch.device) -> None:
        self.env, self.device = env, device
        self.native = env if isinstance(env, NativeVecEnv) else None
        self._observation: dict[str, np.ndarray] = {}

    def begin(self, observation: VecEnvObs) -> None:
        """Takes note of what `VecEnv.reset` returned."""
        self._observation = cast(dict[str, np.ndarray], observation)

    def current(self) -> tuple[PuzzleBatch, Tensor]:
        """The puzzles in the slots and the segments each has used, ``(B,)`` int64; 0 begins an episode."""
        if self.native is not None and self.native.last is not None:
            observation, info = self.native.last
            solution = info["solution"]
        else:
            observation = {key: torch.as_tensor(value) for key, value in self._observation.items()}
            infos = self.env.unwrapped.reset_infos
            solution = torch.as_tensor(np.stack([info["solution"] for info in infos]))
        tensors = (observation["inputs"], solution, observation["puzzle_id"], observation["segment"])
        inputs, solution, puzzle_id, segment = (tensor.to(self.device).long() for tensor in tensors)
        return PuzzleBatch(inputs, solution, puzzle_id), segment

    def step(self, answer: Tensor, halt: Tensor) -> StreamStep:
        """Hands in answers ``(B, L)`` and halt decisions ``(B,)``."""
        action = pack_action(answer, halt)
        if self.native is not None:
            _, reward, done, _, _ = self.native.step_tensors(action.to(self.native.native.device))
            return StreamStep(reward.to(self.device), done.to(self.device))
        observation, rewards, dones, infos = self.env.step(action.cpu().numpy())
        self._observation = cast(dict[str, np.ndarray], observation)
        reward, done = (torch.as_tensor(array, device=self.device) for array in (rewards, dones))
        return StreamStep(reward, done, infos)
