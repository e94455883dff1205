"""Loops as CleanRL writes them, in one file with torch alone, on the native vector environments."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode
from torch import nn

from hrm_agent.traces.record import Traces


def test_pqn_learns_when_to_halt(traces: Traces) -> None:
    torch.manual_seed(0)
    envs = gym.make_vec("HRM-Halting-v0", num_envs=32, traces=traces)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    envs = gym.wrappers.vector.RecordEpisodeStatistics(envs)
    shape, actions_of_one = envs.single_observation_space.shape, envs.single_action_space
    assert shape is not None
    assert isinstance(actions_of_one, Discrete)
    outputs = int(actions_of_one.n)
    q_net = nn.Sequential(nn.Linear(shape[0], 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, outputs))
    optimizer = torch.optim.RAdam(q_net.parameters(), lr=3e-3)
    obs, _ = envs.reset(seed=0)
    returns: list[float] = []
    for step in range(400):
        values = q_net(torch.as_tensor(obs))
        explore = np.random.default_rng(step).random(envs.num_envs) < max(0.05, 1 - step / 200)
        actions = np.where(explore, envs.action_space.sample(), values.argmax(1).numpy())
        obs, reward, terminated, truncated, infos = envs.step(actions)
        done = torch.as_tensor(terminated | truncated, dtype=torch.float32)
        with torch.no_grad():
            target = torch.as_tensor(reward, dtype=torch.float32) + (1 - done) * q_net(torch.as_tensor(obs)).max(1)[0]
        loss = (values.gather(1, torch.as_tensor(actions)[:, None]).squeeze(1) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if "episode" in infos:
            returns += infos["episode"]["r"][infos["_episode"]].tolist()
    assert np.mean(returns[-200:]) > np.mean(returns[:200]) + 0.1


def test_reinforce_learns_the_copy_task() -> None:
    torch.manual_seed(0)
    envs = gym.make_vec("HRM-Copy-v0", num_envs=256, max_segments=1, reward="cells", array="torch")
    assert isinstance(envs.single_action_space, MultiDiscrete)
    tokens = int(envs.single_action_space.nvec[0])
    net = nn.Sequential(nn.Embedding(tokens, 32), nn.Linear(32, tokens))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    obs, _ = envs.reset(seed=0)
    rewards = []
    for _ in range(300):
        answers = torch.distributions.Categorical(logits=net(obs["inputs"]))
        chosen = answers.sample()
        halt = torch.ones(len(chosen), 1, dtype=torch.long)
        log_prob = answers.log_prob(chosen).sum(1)
        obs, reward, _, _, _ = envs.step(torch.cat([chosen, halt], dim=1))
        loss = -(log_prob * (reward - reward.mean())).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rewards.append(float(reward.mean()))
    assert rewards[0] < 0.5
    assert np.mean(rewards[-10:]) > 0.9
