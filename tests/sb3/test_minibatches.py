"""Several optimizer steps share the slots: each learns from its own part of them, and remembers that part alone."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
import torch
from agents import BUDGET, COPY, every_puzzle_once, native_env, same, tiny_agent, weights

from hrm_agent import HRM
from hrm_agent.cores.carry import carry_parts
from hrm_agent.sb3.callbacks import EvaluateCallback

SLOTS = 8


def agent(**options: Any) -> HRM:
    return tiny_agent(native_env(SLOTS), **{"exploration": 0.5, **options})


def trained(segments: int, **options: Any) -> HRM:
    return agent(**options).learn(SLOTS * segments, log_interval=None)


@pytest.mark.parametrize("halting", ["q-compare", "patience:2", "fixed:2"])
def test_without_learning_the_slots_think_as_in_one_batch(halting: str) -> None:
    still = {"learning_rate": 1e-12, "ema": None, "halting": halting, "exploration": 0.0}
    # into the second episode, and no further: rounding grows tenfold a segment until a new episode begins
    whole, parts = (trained(BUDGET + 2, minibatches=count, **still) for count in (1, 4))
    for name, part in carry_parts(whole._carry).items():
        torch.testing.assert_close(carry_parts(parts._carry)[name], part, rtol=1e-4, atol=1e-4, msg=name)
    (puzzles, used), (others, theirs) = whole.stream.current(), parts.stream.current()
    assert torch.equal(puzzles.inputs, others.inputs)
    assert torch.equal(used, theirs)


def test_each_makes_an_optimizer_step_of_its_own() -> None:
    model = trained(3, minibatches=4)
    assert (model._n_updates, model.num_timesteps) == (12, 3 * SLOTS)
    assert (model.batch_size, model.minibatch_size) == (SLOTS // 4, SLOTS // 4)
    assert model.training_log.sums.steps == 12
    assert [len(explorer.min_segments) for explorer in model._explorers] == [2] * 4
    assert not same(weights(model), weights(trained(3)))


def test_sweeps_come_once_an_interval_of_optimizer_steps() -> None:
    model = agent(minibatches=4)
    sweeps = EvaluateCallback(every_puzzle_once(), 6)
    model.learn(SLOTS * 6, sweeps, log_interval=None)  # 24 steps, seen after every fourth
    assert [updates for updates, _ in sweeps.history] == [8, 12, 20, 24]


@pytest.mark.parametrize(("minibatches", "found"), [(3, "divisor of the 8 environments, found 3"), (0, "1 to")])
def test_the_slots_are_shared_evenly(minibatches: int, found: str) -> None:
    with pytest.raises(ValueError, match=f"minibatches: expected .*{found}"):
        agent(minibatches=minibatches)


def test_a_file_keeps_the_slots_and_their_parts(tmp_path: Any) -> None:
    trained(1, minibatches=4).save(tmp_path / "agent.zip")
    model = HRM.load(tmp_path / "agent.zip")
    assert (model.n_envs, model.config.minibatches) == (SLOTS, 4)
    env = gym.make_vec(COPY, num_envs=6)
    with pytest.raises(ValueError, match="minibatches: expected a divisor of the 6 environments, found 4"):
        HRM.load(tmp_path / "agent.zip", env=env)
    assert HRM.load(tmp_path / "agent.zip", env=env, minibatches=3).minibatch_size == 2
