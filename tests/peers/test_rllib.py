"""RLlib's PPO learns when to halt."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from hrm_agent.traces.record import Traces

pytest.importorskip("ray.rllib")

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env


def test_ppo_learns_when_to_halt(traces: Traces) -> None:
    def made(_: Any) -> gym.Env[Any, Any]:
        return gym.make("HRM-Halting-v0", traces=traces)

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        register_env("halting", made)
        config = (
            PPOConfig()
            .environment("halting")
            .env_runners(num_env_runners=0, num_envs_per_env_runner=4)
            .training(train_batch_size=256, minibatch_size=64, num_epochs=2, gamma=1.0)
        )
        algorithm = config.build_algo()
        result = algorithm.train()
        algorithm.stop()
    finally:
        ray.shutdown()
    assert 1 <= result["env_runners"]["episode_len_mean"] <= 4
    assert -0.1 <= result["env_runners"]["episode_return_mean"] <= 1
