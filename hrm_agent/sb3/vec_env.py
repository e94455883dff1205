"""Conversions between the kinds of puzzle environments.

`NativeVecEnv` is the native batched environment as SB3 `VecEnv`. `training_env` returns the environment that an agent
learns in, `sweep_env` the one that it is evaluated in.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn
from torch import Tensor

from hrm_env import registered_ids
from hrm_env.envs.episode import HALT_REASONS, EpisodeRules
from hrm_env.envs.numpy_form import to_numpy
from hrm_env.envs.spaces import check_action
from hrm_env.envs.vector import PuzzleVectorEnv

PuzzleEnvironment = GymEnv | VectorEnv[Any, Any, Any]
TRAINING_SLOTS = 768
"""Default number of slots of an environment to learn in; the batch size of the paper."""
SWEEP_SLOTS = 256
"""Slots of an environment that is made for evaluation, if there are as many puzzles."""


class NativeVecEnv(VecEnv):
    """A `PuzzleVectorEnv` as SB3 `VecEnv`, with the ``info["episode"]`` of SB3's `Monitor`.

    Raises:
        ValueError: Each puzzle is dealt once: SB3 would wait forever for slots without a puzzle.
    """

    def __init__(self, env: PuzzleVectorEnv) -> None:
        if env.rules.order == "once":
            raise ValueError(
                'env: expected order="random" or order="sequential", found order="once", which only evaluate sweeps'
            )
        self.native = env
        self.render_mode = env.render_mode
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = env.metadata

    def reset(self) -> VecEnvObs:
        """Starts an episode in every slot."""
        seed = self._seeds[0]
        return self._begin(self.native.reset_tensors(seed))

    def step_async(self, actions: np.ndarray) -> None:
        """Stores the actions ``(B, L+1)`` for `step_wait`."""
        self._action = torch.from_numpy(check_action(actions, self.native.single_action_space, (self.num_envs,)))

    def step_wait(self) -> VecEnvStepReturn:
        """Takes the step; the last observation of an episode is in ``info["terminal_observation"]``."""
        observation, reward, done, _, info = self.native.step_tensors(self._action.to(self.native.device))
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

    def load_state_dict(self, state: Mapping[str, Any]) -> VecEnvObs:
        """Restores a `state_dict` of the native environment, and returns the observation."""
        self.native.load_state_dict(state)
        return self._begin(self.native.shown())

    def _begin(self, shown: tuple[dict[str, Tensor], dict[str, Any]]) -> VecEnvObs:
        """Returns the observation as arrays; a seed for the next reset has been used."""
        self._reset_seeds()
        self._returns, self._started = np.zeros(self.num_envs), time.time()
        observation, info = shown
        self.reset_infos = [{"solution": row} for row in info["solution"].cpu().numpy()]
        return to_numpy(observation)

    def close(self) -> None:
        """Closes the native environment."""
        self.native.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Returns a picture per slot."""
        return self.native.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Returns an attribute of the native environment, once per index."""
        return [getattr(self.native, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets an attribute of the native environment, which all slots share."""
        setattr(self.native, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Calls a method of the native environment, once."""
        return [getattr(self.native, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Returns True for SB3's `Monitor`, whose figures `step_wait` returns; there is no other wrapper."""
        return [wrapper_class.__name__ == "Monitor" for _ in self._get_indices(indices)]


def as_vec_env(env: PuzzleEnvironment, verbose: int = 0) -> VecEnv:
    """Returns any puzzle environment as SB3 `VecEnv`, for `evaluate_policy`, `EvalCallback` and SB3's own algorithms.

    Args:
        env: The native vector environment, a Gymnasium environment, or a `VecEnv`, which is returned unchanged.
        verbose: 1 prints the wrappers of a Gymnasium environment.

    Raises:
        ValueError: A vector environment is not the native one, or deals each puzzle once.
    """
    if isinstance(env, VectorEnv):
        return NativeVecEnv(native(env))
    return BaseAlgorithm._wrap_env(env, verbose)


def native(env: VectorEnv[Any, Any, Any]) -> PuzzleVectorEnv:
    """Returns the native environment that ``gym.make_vec(id)`` wrapped.

    Raises:
        ValueError: It is not the native one, or does not refill its slots in the same step, as SB3 expects.
    """
    inner = env.unwrapped
    if not isinstance(inner, PuzzleVectorEnv):
        raise ValueError(f"env: expected the native PuzzleVectorEnv of gym.make_vec(id), found {type(inner).__name__}")
    if inner.autoreset_mode is not AutoresetMode.SAME_STEP:
        raise ValueError(f"env: expected autoreset_mode SameStep, found {inner.autoreset_mode.value}")
    return inner


def sweep_env(env: PuzzleEnvironment, device: torch.device) -> PuzzleVectorEnv:
    """Returns a native environment that deals every puzzle of an environment once.

    Args:
        env: The native environment, made with ``order="once"``; or an environment of SB3 or a scalar one of Gymnasium,
            which cannot deal puzzles once, so that a native one is made from its puzzles and options.
        device: Device of an environment that is made.

    Raises:
        ValueError: It is not an environment of puzzles, or its slots have different puzzles.
    """
    if isinstance(env, VectorEnv):
        return native(env)
    slots = env if isinstance(env, VecEnv) else DummyVecEnv([lambda: env])
    if not slots.has_attr("rules"):
        raise ValueError(f"env: expected an environment of puzzles, found {type(env).__name__}")
    found: list[EpisodeRules] = slots.get_attr("rules")
    if len({rules.puzzles.digest() for rules in found}) > 1:
        raise ValueError("env: expected the same puzzles in every slot, found different ones")
    rules = found[0]
    options = {option.name: getattr(rules, option.name) for option in fields(rules)} | {"order": "once"}
    task, puzzles = options.pop("task"), options.pop("puzzles")
    slots_made = min(SWEEP_SLOTS, len(puzzles))
    return PuzzleVectorEnv(task, slots_made, source=puzzles, array="torch", device=device, **options)


def training_env(
    env: PuzzleEnvironment | str | None,
    n_envs: int | None,
    env_kwargs: Mapping[str, Any] | None,
    device: torch.device,
    verbose: int = 0,
) -> VecEnv | None:
    """Returns the environment that an agent learns in: the given one, or one made from an id.

    Args:
        env: An id, any kind of puzzle environment, or None.
        n_envs: Slots of an environment that is made, None for 768; for a given one, None or its own number.
        env_kwargs: Options of an environment that is made.
        device: Device of an environment that is made.
        verbose: As for `as_vec_env`.

    Raises:
        ValueError: There are options for an environment that exists already.
    """
    if isinstance(env, str):
        slots = TRAINING_SLOTS if n_envs is None else n_envs
        made = gym.make_vec(
            registered(env), num_envs=slots, **{"array": "torch", "device": device, **(env_kwargs or {})}
        )
        return as_vec_env(made, verbose)
    if env_kwargs:
        found = "no environment" if env is None else "an environment that is made"
        raise ValueError(f"env_kwargs: expected an id beside it, such as 'HRM-Sudoku-v0', found {found}")
    if env is None:
        return None
    given = as_vec_env(env, verbose)
    if n_envs is not None and n_envs != given.num_envs:
        raise ValueError(f"n_envs: expected {given.num_envs}, which the environment has, or None, found {n_envs}")
    return given


def registered(id: str) -> str:
    """Returns the registered id of a puzzle; for ``module:id`` imports the module first.

    Raises:
        ValueError: No puzzle is registered under this id.
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
