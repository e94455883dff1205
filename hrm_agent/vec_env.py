"""Between Stable-Baselines3 and the puzzles: one way to step every kind of environment with tensors.

`NativeVecEnv` shows the native batched environment to SB3 as a `VecEnv`. `PuzzleStream` is what the algorithm steps:
tensors in, tensors out, for the native environment without a detour over numpy, for any other `VecEnv` with one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn
from torch import Tensor

from hrm_env import registered_ids
from hrm_env.actions import checked, pack
from hrm_env.numpy_form import to_numpy
from hrm_env.rules import HALT_REASONS
from hrm_env.task import PuzzleBatch
from hrm_env.vector import PuzzleVectorEnv

PuzzleEnvironment = GymEnv | VectorEnv[Any, Any, Any]


class NativeVecEnv(VecEnv):
    """A `PuzzleVectorEnv` as SB3 `VecEnv`, with what `Monitor` would add (``info["episode"]``)."""

    def __init__(self, env: PuzzleVectorEnv) -> None:
        self.native = env
        self.last: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self.render_mode = env.render_mode
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = env.metadata

    def reset(self) -> VecEnvObs:
        """A fresh puzzle in every slot."""
        seed = self._seeds[0]
        return self._begin(self.native.reset_tensors(seed))

    def step_async(self, actions: np.ndarray) -> None:
        """Takes the actions ``(B, L+1)``."""
        self._action = torch.from_numpy(checked(actions, self.native.single_action_space, (self.num_envs,)))

    def step_wait(self) -> VecEnvStepReturn:
        """SB3's step: the finished observation is in ``info["terminal_observation"]``."""
        observation, reward, done, _, info = self.step_tensors(self._action.to(self.native.device))
        rewards, dones = reward.cpu().numpy(), done.cpu().numpy()
        self._returns += rewards
        solutions = info["solution"].cpu().numpy()
        infos: list[dict[str, Any]] = [{"solution": row, "TimeLimit.truncated": False} for row in solutions]
        final_obs, final_info = to_numpy(info["final_obs"]), to_numpy(info["final_info"])
        final_info["halt_reason"] = np.array(HALT_REASONS, dtype=object)[final_info["halt_reason"]]
        for slot in np.flatnonzero(dones):
            self.reset_infos[slot] = {"solution": solutions[slot]}
            infos[slot] |= {key: value[slot] for key, value in final_info.items()}
            infos[slot]["terminal_observation"] = {key: value[slot] for key, value in final_obs.items()}
            episode = {"r": float(self._returns[slot]), "l": int(final_info["segments"][slot])}
            infos[slot]["episode"] = episode | {"t": round(time.time() - self._started, 6)}
        self._returns[dones] = 0
        return to_numpy(observation), rewards, dones, infos

    def step_tensors(self, action: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor, dict[str, Any]]:
        """The native step; remembers what it showed last."""
        step = self.native.step_tensors(action)
        self.last = step[0], step[4]
        return step

    def load_state_dict(self, state: Mapping[str, Any]) -> VecEnvObs:
        """Goes on where the native environment's `state_dict` was taken; returns what its slots show."""
        self.native.load_state_dict(state)
        return self._begin(self.native.shown())

    def _begin(self, shown: tuple[dict[str, Tensor], dict[str, Any]]) -> VecEnvObs:
        """Takes note of observation and info; a seed for the next reset has been used."""
        self.last = shown
        self._reset_seeds()
        self._returns, self._started = np.zeros(self.num_envs), time.time()
        observation, info = shown
        self.reset_infos = [{"solution": row} for row in info["solution"].cpu().numpy()]
        return to_numpy(observation)

    def close(self) -> None:
        """Closes the native environment."""
        self.native.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A picture per slot."""
        return self.native.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the native environment, once per index."""
        return [getattr(self.native, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets an attribute of the native environment, which all slots share."""
        setattr(self.native, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Calls a method of the native environment, once."""
        return [getattr(self.native, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """True for SB3's `Monitor`, whose figures `step_wait` gives; no other wrapper is there."""
        return [wrapper_class.__name__ == "Monitor" for _ in self._get_indices(indices)]


def as_vec_env(env: PuzzleEnvironment, verbose: int = 0) -> VecEnv:
    """Any kind of puzzle environment as SB3 `VecEnv`.

    Raises:
        ValueError: A vector environment is not the native one.
    """
    if isinstance(env, VectorEnv):
        return NativeVecEnv(native(env))
    return BaseAlgorithm._wrap_env(env, verbose)


def native(env: VectorEnv[Any, Any, Any]) -> PuzzleVectorEnv:
    """The native environment under what ``gym.make_vec(id)`` returned.

    Raises:
        ValueError: It is not a native one.
    """
    inner = env.unwrapped
    if not isinstance(inner, PuzzleVectorEnv):
        raise ValueError(f"env: expected the native PuzzleVectorEnv of gym.make_vec(id), found {type(inner).__name__}")
    return inner


def registered(id: str) -> str:
    """The id of a puzzle; of ``module:id``, once the module that registers it is imported.

    Raises:
        ValueError: No puzzle is registered under it.
    """
    module, _, name = id.rpartition(":")
    try:
        if module:
            import_module(module)
        found = gym.spec(name).id
    except (ImportError, gym.error.Error):
        found = ""
    known = registered_ids()
    if found not in known:
        raise ValueError(f"env: expected a puzzle ({', '.join(known)}), or module:id, found {id!r}")
    return found


class StreamStep(NamedTuple):
    """Rewards ``(B,)`` float32 and ended episodes ``(B,)`` bool of one step."""

    reward: Tensor
    done: Tensor


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
        action = pack(answer, halt)
        if self.native is not None:
            _, reward, done, _, _ = self.native.step_tensors(action.to(self.native.native.device))
            return StreamStep(reward.to(self.device), done.to(self.device))
        observation, rewards, dones, _ = self.env.step(action.cpu().numpy())
        self._observation = cast(dict[str, np.ndarray], observation)
        return StreamStep(*(torch.as_tensor(array, device=self.device) for array in (rewards, dones)))
