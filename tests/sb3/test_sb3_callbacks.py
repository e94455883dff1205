"""Callbacks of Stable-Baselines3 with our agent, and what its log and its ``ep_info_buffer`` say."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import BUDGET, COPY, SLOTS, native_env, tiny_agent
from event_logs import Lines
from stable_baselines3.common.callbacks import BaseCallback, LogEveryNTimesteps, StopTrainingOnMaxEpisodes
from stable_baselines3.common.vec_env import DummyVecEnv

from hrm_agent.sb3.episode_window import EpisodeWindow
from hrm_agent.sb3.host_view import HostView

scalar_env = partial(gym.make, COPY, max_segments=BUDGET)
KINDS: dict[str, Any] = {"native": lambda: native_env(4), "SB3": lambda: DummyVecEnv([scalar_env] * 4)}


class Counting(BaseCallback):
    """Counts episodes as callbacks do that know nothing of us."""

    def __init__(self) -> None:
        super().__init__()
        self.ended, self.paid, self.lengths, self.told = 0, 0.0, 0, 0

    def _on_step(self) -> bool:
        dones, rewards = self.locals["dones"], self.locals["rewards"]
        assert len(dones) == len(rewards) == self.training_env.num_envs
        self.ended += int(np.sum(dones))
        self.paid += float(np.asarray(rewards)[dones].sum())
        self.lengths += sum(bool(done) for done in dones)
        for info in self.locals.get("infos", ()):  # of SB3's environments alone
            self.told += "episode" in info or "halt_reason" in info
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_training_stops_after_so_many_episodes(kind: str) -> None:
    counting = Counting()
    model = tiny_agent(KINDS[kind](), halting="fixed:2", exploration=0.0)
    model.learn(4 * 1000, callback=[counting, StopTrainingOnMaxEpisodes(max_episodes=5)])
    assert model.num_timesteps == 4 * 10  # five episodes of two segments in each of four slots
    assert counting.ended == counting.lengths == 4 * 5
    assert 0 <= counting.paid <= counting.ended
    assert counting.told == (counting.ended if kind == "SB3" else 0)


def test_a_step_is_read_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[torch.Tensor] = []
    cpu = torch.Tensor.cpu

    def noted(tensor: torch.Tensor) -> torch.Tensor:
        reads.append(tensor)
        return cpu(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", noted)
    view = HostView(torch.tensor([True, False, True]))
    assert not reads
    assert np.sum(view) == view.sum() == 2
    assert (len(view), list(view), view[1]) == (3, [True, False, True], False)
    assert np.asarray(view, dtype=np.int64).tolist() == [1, 0, 1]
    assert len(reads) == 1


@pytest.mark.parametrize(("interval", "expected"), [(None, [32, 64]), (3, [32, 64, 80])])
def test_logs_are_written_when_a_callback_asks(interval: int | None, expected: list[int]) -> None:
    model = tiny_agent()
    lines = Lines.of(model)
    model.learn(SLOTS * 5, callback=LogEveryNTimesteps(n_steps=2 * SLOTS), log_interval=interval)
    assert [line["step"] for line in lines.lines] == expected
    assert all("train/loss" in line for line in lines.lines)


@pytest.mark.parametrize("kind", KINDS)
def test_episodes_are_reported_as_by_every_algorithm(kind: str) -> None:
    model = tiny_agent(KINDS[kind](), halting="fixed:3", exploration=0.0, stats_window_size=6)
    lines = Lines.of(model)
    model.learn(4 * 8, log_interval=4)
    assert list(model.ep_info_buffer or ()) == [{"r": episode["r"], "l": 3} for episode in model.ep_info_buffer or ()]
    assert len(model.ep_info_buffer or ()) == 6
    last = lines.lines[-1]
    assert last["rollout/ep_len_mean"] == 3
    assert last["rollout/ep_rew_mean"] == np.mean([episode["r"] for episode in model.ep_info_buffer or ()])
    assert last["time/total_timesteps"] == 4 * 8
    assert last["time/fps"] >= 0
    assert {"time/fps", "rollout/ep_rew_mean"} <= lines.tensorboard
    assert not {"time/time_elapsed", "time/total_timesteps"} & lines.tensorboard


def test_no_episodes_no_mean() -> None:
    model = tiny_agent(halting="fixed:3", exploration=0.0)
    lines = Lines.of(model)
    model.learn(SLOTS * 2)
    assert "rollout/ep_rew_mean" not in lines.lines[-1]


def test_returns_add_up_over_segments() -> None:
    window = EpisodeWindow(slots=2, size=3)
    steps = [([0.0, -0.5], [0, 0]), ([1.0, -0.5], [1, 0]), ([0.25, 2.0], [0, 1]), ([0.5, 3.0], [1, 1])]
    for count, (reward, done) in enumerate(steps, start=1):
        window.add(torch.tensor(reward), torch.tensor(done, dtype=torch.bool))
        if count == 2:  # whenever it is read, the sums are the same
            window.read()
    assert {name: float(value) for name, value in window.sums().items()} == {
        "window_episodes": 3, "window_return": 1.0 + 0.75 + 3.0, "window_length": 3 + 2 + 1,
    }  # fmt: skip
    again = EpisodeWindow(slots=2, size=3).load_state_dict(window.state_dict())
    assert list(again.newest) == list(window.newest) == [{"r": 1.0, "l": 3}, {"r": 0.75, "l": 2}, {"r": 3.0, "l": 1}]
