"""`predict`: the state between segments, and that a loop of it is what evaluation does."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import BUDGET, COPY, Remembering, every_puzzle_once, native_env, trained_agent, wavering_agent
from numpy.typing import NDArray
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from hrm_agent import HRM
from hrm_agent.halting import HaltingPolicy

ABSTAINING = "abstain(any(patience,random:0.3),q-threshold:0.6)"


@pytest.fixture(scope="module")
def wavering() -> HRM:
    return wavering_agent()


@pytest.mark.parametrize("policy", ["q-compare", "q-threshold:0.7", "fixed:3", "random:0.4", ABSTAINING, Remembering()])
def test_a_loop_of_predict_is_evaluate(wavering: HRM, policy: str | HaltingPolicy) -> None:
    wavering.halting = policy
    swept = wavering.evaluate(every_puzzle_once(num_envs=7))
    env = gym.make(COPY, split="test", num_puzzles=60, max_segments=BUDGET)
    for index in range(60):
        obs, info = env.reset(options={"index": index})
        state, done = None, False
        while not done:
            action, state = wavering.predict(obs, state=state, deterministic=True)
            obs, reward, done, _, info = env.step(action)
        assert info["segments"] == swept.segments[index]
        assert info["exact"] == swept.exact[index] == bool(reward)
        assert np.float32(info["cell_accuracy"]) == swept.cells[index]
        assert (action[:-1] == swept.answer[index]).all()
        answered = "agent" if action[-1] else "budget"
        assert info["halt_reason"] == ("abstained" if swept.abstained[index] else answered)
    assert (0 < swept.abstained.mean() < 1) == (policy == ABSTAINING)
    if policy != "fixed:3":
        assert len(set(swept.segments)) > 1, "the agent does not waver: the test shows little"


def observations(rows: int = 5, seed: int = 0) -> dict[str, NDArray[Any]]:
    obs: dict[str, NDArray[Any]] = native_env(rows).reset(seed=seed)[0]
    return obs


def after(obs: dict[str, Any], segments: int) -> dict[str, Any]:
    return {**obs, "segment": obs["segment"] + segments}


def test_the_state_goes_in_and_stays_as_it_was(wavering: HRM) -> None:
    wavering.halting = "q-compare"
    obs = observations()
    _, state = wavering.predict(obs)
    kept = [part.clone() for part in state.carry]
    first, after_first = wavering.predict(after(obs, 1), state)
    second, after_second = wavering.predict(after(obs, 1), state)
    assert (first == second).all()
    assert torch.equal(after_first.carry.z_h, after_second.carry.z_h)
    assert all(torch.equal(part, before) for part, before in zip(state.carry, kept, strict=True))
    assert not torch.equal(after_first.carry.z_h, state.carry.z_h)


@pytest.mark.parametrize("sign", ["segment", "episode_start"])
def test_rows_that_begin_forget(wavering: HRM, sign: str) -> None:
    _, state = wavering.predict(observations(seed=1))
    obs = observations(seed=2)
    begins = np.array([True, False, True, False, False])
    if sign == "segment":
        seen = {**obs, "segment": np.where(begins, 0, 1)}
        _, mixed = wavering.predict(seen, state)
    else:
        _, mixed = wavering.predict(after(obs, 1), state, episode_start=begins)
    _, fresh = wavering.predict(obs)
    _, going_on = wavering.predict(after(obs, 1), state)
    for row, begun in enumerate(begins):
        torch.testing.assert_close(mixed.carry.z_h[row], (fresh if begun else going_on).carry.z_h[row])
    assert not torch.allclose(fresh.carry.z_h, going_on.carry.z_h, atol=1e-3)


@pytest.mark.filterwarnings("ignore:predict. expected the state")
def test_without_a_state_every_row_begins(wavering: HRM) -> None:
    obs = observations()
    assert torch.equal(wavering.predict(after(obs, 2))[1].carry.z_h, wavering.predict(obs)[1].carry.z_h)


def test_a_forgotten_state_is_warned_of(wavering: HRM) -> None:
    obs, _ = native_env(2).reset(seed=0)
    later = obs | {"segment": np.array([0, 1])}
    with pytest.warns(UserWarning, match=r"^predict: expected the state [^\n]*: action, state = ") as said:
        wavering.predict(later)
    assert said[0].filename == __file__  # where the state was left out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, state = wavering.predict(obs)
        wavering.predict(later, state)
        evaluate_policy(wavering, Monitor(gym.make(COPY, max_segments=BUDGET)), n_eval_episodes=20)


def test_one_observation_or_a_batch() -> None:
    model, obs = trained_agent(), observations(1)
    batch, _ = model.predict(obs)
    single, _ = model.predict({name: value[0] for name, value in obs.items()})
    assert batch.shape == (1, 5)
    assert single.shape == (5,)
    assert (batch[0] == single).all()
    assert model.action_space.contains(single)
    assert (single[:-1] == obs["inputs"][0]).all()  # it has learned to copy


def test_prediction_draws_nothing_and_changes_nothing(wavering: HRM) -> None:
    wavering.halting = "random:0.5"
    obs = observations()
    before, generator = torch.get_rng_state(), wavering._generator.get_state()
    actions = [wavering.predict(obs, deterministic=flag)[0] for flag in (True, False, True)]
    assert all((action == actions[0]).all() for action in actions)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(wavering._generator.get_state(), generator)


def test_the_torch_module_acts_as_predict_does(wavering: HRM) -> None:
    obs = observations()
    tensors, _ = wavering.policy.obs_to_tensor(obs)
    assert (wavering.policy(tensors).numpy() == wavering.predict(obs)[0]).all()


def test_the_oracle_cannot_act_without_a_solution(wavering: HRM) -> None:
    wavering.halting = "oracle"
    with pytest.raises(ValueError, match='halting: "oracle" needs the solution'):
        wavering.predict(observations())
