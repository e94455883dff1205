"""Algorithms of sb3-contrib on our environments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import FlattenObservation
from playing import mean_return, returns_and_lengths
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from hrm_agent.sb3.vec_env import as_vec_env
from hrm_agent.traces.record import Traces

contrib = pytest.importorskip("sb3_contrib")

COPY: dict[str, Any] = {"max_segments": 2, "reward": "cells"}


def native() -> VecEnv:
    return as_vec_env(gym.make_vec("HRM-Copy-v0", num_envs=4, **COPY))


def scalar(**options: Any) -> VecEnv:
    return make_vec_env("HRM-Copy-v0", n_envs=4, env_kwargs=COPY, **options)


@pytest.mark.parametrize(
    ("algorithm", "policy", "make"),
    [
        ("TRPO", "MultiInputPolicy", native),
        ("TRPO", "MultiInputPolicy", scalar),
        # a Dict of MultiDiscrete gives the LSTM a size of numpy's, which torch refuses
        ("RecurrentPPO", "MlpLstmPolicy", partial(scalar, wrapper_class=FlattenObservation)),
    ],
    ids=["TRPO native", "TRPO scalar", "RecurrentPPO"],
)
def test_algorithms_play_puzzles(algorithm: str, policy: str, make: Callable[[], VecEnv]) -> None:
    env = make()
    model = getattr(contrib, algorithm)(policy, env, n_steps=16, batch_size=32, seed=0)
    model.learn(4 * 16)
    assert model.num_timesteps == 4 * 16
    assert 0 <= mean_return(model, env, 8) <= 1


def test_qrdqn_learns_when_to_halt(traces: Traces) -> None:
    env = gym.make("HRM-Halting-v0", traces=traces)
    small = {"n_quantiles": 10, "net_arch": [32]}
    model = contrib.QRDQN(
        "MlpPolicy", env, learning_rate=3e-3, learning_starts=100, gamma=1.0, exploration_fraction=0.5,
        target_update_interval=100, policy_kwargs=small, seed=0,
    )  # fmt: skip
    model.learn(2000)
    rewards, lengths = returns_and_lengths(model, env, 50)
    assert np.mean(rewards) > 0.2
    assert min(lengths) >= 1
