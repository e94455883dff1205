"""Tianshou collects from our environments and learns when to halt."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from hrm_agent.traces.record import Traces

pytest.importorskip("tianshou")

from tianshou.algorithm import DQN
from tianshou.algorithm.algorithm_base import Policy
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Batch, Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net


class NumbersAlone(gym.Wrapper[Any, Any, Any, Any]):
    """Leaves words out of info: where one is not in every step, Tianshou's trainer takes its absence for a NaN."""

    def step(self, action: Any) -> Any:
        *step, info = self.env.step(action)
        return *step, {name: value for name, value in info.items() if not isinstance(value, str)}


class Guessing(Policy):  # type: ignore[misc]
    """Draws every answer, and when to halt."""

    def forward(self, batch: Any, state: Any = None, **_: Any) -> Any:
        return Batch(act=np.stack([self.action_space.sample() for _ in batch.obs.segment]))


def test_puzzles_are_collected() -> None:
    env = DummyVectorEnv([lambda: gym.make("HRM-Copy-v0", max_segments=3)] * 2)
    policy = Guessing(action_space=env.action_space[0], observation_space=env.observation_space[0])
    buffer = VectorReplayBuffer(200, 2)
    found = Collector(policy, env, buffer).collect(n_episode=20, reset_before_collect=True)
    assert len(found.lens) >= 20
    assert 1 <= min(found.lens) <= max(found.lens) <= 3
    assert set(found.returns) <= {0.0, 1.0}
    assert buffer[:].obs.inputs.shape[1:] == (4,)


def test_dqn_learns_when_to_halt(traces: Traces) -> None:
    def made() -> Any:
        return NumbersAlone(gym.make("HRM-Halting-v0", traces=traces))

    training, test = (DummyVectorEnv([made] * count) for count in (4, 10))
    net = Net(state_shape=training.observation_space[0].shape, action_shape=2, hidden_sizes=(32,))
    policy = DiscreteQLearningPolicy(
        model=net, action_space=training.action_space[0], observation_space=training.observation_space[0],
        eps_training=0.2,
    )  # fmt: skip
    algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=3e-3), gamma=1.0, target_update_freq=50)
    result = algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=Collector(policy, training, VectorReplayBuffer(5000, 4), exploration_noise=True),
            test_collector=Collector(policy, test),
            max_epochs=1,
            epoch_num_steps=1000,
            collection_step_num_env_steps=20,
            update_step_num_gradient_steps_per_sample=0.2,
            test_step_num_episodes=50,
        )
    )
    assert result.best_reward > 0.2
