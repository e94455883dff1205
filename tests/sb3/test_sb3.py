"""The tools of Stable-Baselines3 with our agent, and its algorithms on our environments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from agents import (
    BUDGET,
    COPY,
    every_puzzle_once,
    native_env,
    same,
    tiny_agent,
    trained_agent,
    wavering_agent,
    weights,
)
from playing import mean_return, returns_and_lengths
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import (
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from hrm_agent import HRM, EvaluateCallback
from hrm_agent.sb3.vec_env import as_vec_env

scalar_env = partial(gym.make, COPY, max_segments=BUDGET)


def sixty_puzzles() -> gym.Env[Any, Any]:
    """The puzzles of `every_puzzle_once`, one after the other."""
    return gym.make(COPY, split="test", num_puzzles=60, max_segments=BUDGET, order="sequential")


def puzzles_of(kind: str) -> Any:
    """The puzzles of `every_puzzle_once` in environments that know of no end."""
    options: dict[str, Any] = {"split": "test", "num_puzzles": 60}
    makers: dict[str, Callable[[], Any]] = {
        "gymnasium": lambda: scalar_env(**options),
        "SB3": lambda: make_vec_env(COPY, n_envs=2, env_kwargs={**options, "max_segments": BUDGET}),
        "native as SB3": lambda: as_vec_env(native_env(6, **options)),
    }
    return makers[kind]()


@pytest.mark.parametrize("kind", ["gymnasium", "SB3", "native as SB3"])
def test_every_kind_of_environment_is_swept(kind: str) -> None:
    model = wavering_agent()
    expected, found = model.evaluate(every_puzzle_once()), model.evaluate(puzzles_of(kind))
    for name in ("exact", "answer", "segments"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_slots_of_different_puzzles_are_not_swept() -> None:
    env = DummyVecEnv([partial(scalar_env, puzzle_seed=seed) for seed in (0, 1)])
    with pytest.raises(ValueError, match="env: expected the same puzzles in every slot, found different ones"):
        trained_agent().evaluate(env)


def test_sb3_is_not_given_puzzles_that_end() -> None:
    # evaluate_policy would wait for ever for an episode of a slot without a puzzle
    with pytest.raises(ValueError, match='env: expected order="random" or order="sequential", found order="once"'):
        as_vec_env(every_puzzle_once())


@pytest.mark.parametrize("kind", ["gymnasium", "native"])
def test_evaluate_policy_finds_what_evaluate_finds(kind: str) -> None:
    model = wavering_agent()
    swept = model.evaluate(every_puzzle_once())
    if kind == "gymnasium":
        env: Monitor | VecEnv = Monitor(sixty_puzzles())
    else:
        env = as_vec_env(native_env(6, split="test", num_puzzles=60, order="sequential"))
        assert env.env_is_wrapped(Monitor) == [True] * 6
    returns, lengths = returns_and_lengths(model, env, 60)
    if kind == "gymnasium":
        np.testing.assert_array_equal(returns, swept.exact)
        np.testing.assert_array_equal(lengths, swept.segments)
    else:
        # six slots finish in another order, and none is handed more than its ten episodes
        assert len(returns) == 60
        assert set(returns) <= {0.0, 1.0}
        assert 1 <= min(lengths) <= max(lengths) <= BUDGET
    assert 0 < np.mean(returns) < 1


def test_checkpoint_callback(tmp_path: Path) -> None:
    model = tiny_agent()
    model.learn(16 * 6, callback=CheckpointCallback(save_freq=3, save_path=str(tmp_path)))
    assert {file.name for file in tmp_path.iterdir()} == {"rl_model_48_steps.zip", "rl_model_96_steps.zip"}
    loaded = HRM.load(tmp_path / "rl_model_96_steps", device="cpu")
    assert same(weights(loaded), weights(model))


@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
def test_eval_callback_stops_at_the_reward_threshold(tmp_path: Path) -> None:
    stop = StopTrainingOnRewardThreshold(reward_threshold=0.5)
    sweep = EvalCallback(
        Monitor(sixty_puzzles()), callback_on_new_best=stop, eval_freq=20, n_eval_episodes=60, warn=False,
        best_model_save_path=str(tmp_path), log_path=str(tmp_path), verbose=0,
    )  # fmt: skip
    model = tiny_agent().learn(16 * 1000, callback=sweep)
    assert 16 * 20 <= model.num_timesteps < 16 * 300
    assert sweep.best_mean_reward >= 0.5
    best = HRM.load(tmp_path / "best_model", device="cpu")
    assert best.evaluate(every_puzzle_once()).exact.mean() == sweep.best_mean_reward
    assert (tmp_path / "evaluations.npz").exists()


def test_our_own_callback_sweeps_and_saves(tmp_path: Path) -> None:
    sweeps = EvaluateCallback(every_puzzle_once(), every_updates=10, save_path=tmp_path / "agent.zip")
    model = tiny_agent().learn(16 * 20, callback=sweeps)
    assert [updates for updates, _ in sweeps.history] == [10, 20]
    last = sweeps.history[-1][1]
    assert sweeps.latest() is last  # nothing was learned since: no third sweep
    again = model.evaluate(every_puzzle_once()).summary()
    for summary in (last, again):
        del summary["puzzles_per_second"]
    assert last == again
    assert same(weights(HRM.load(tmp_path / "agent", device="cpu")), weights(model))


def test_a_finished_episode_says_what_monitor_would() -> None:
    env = as_vec_env(native_env(3, order="sequential"))
    obs = env.reset()
    assert isinstance(obs, dict)
    first = obs["inputs"].copy()
    total = np.zeros(3)
    right = np.concatenate([first, np.ones((3, 1), dtype=np.int64)], axis=1)
    right[1:, -1] = 0  # slot 0 halts on the right answer, slots 1 and 2 go on to the budget
    for step in range(BUDGET):
        obs, rewards, dones, infos = env.step(right)
        assert isinstance(obs, dict)
        total += rewards
        if step == 0:
            assert dones.tolist() == [True, False, False]
            assert infos[0]["episode"]["r"] == 1.0
            assert infos[0]["episode"]["l"] == 1
            assert infos[0]["halt_reason"] == "agent"
            assert (infos[0]["terminal_observation"]["inputs"] == first[0]).all()
            assert infos[0]["terminal_observation"]["segment"] == 1
            assert obs["segment"].tolist() == [0, 1, 1]
            assert (env.reset_infos[0]["solution"] == obs["inputs"][0]).all()
            assert "episode" not in infos[1]
            right[0, -1] = 0
    assert dones.tolist() == [False, True, True]
    assert [infos[slot]["episode"]["l"] for slot in (1, 2)] == [BUDGET, BUDGET]
    assert infos[1]["halt_reason"] == "budget"
    assert total.tolist() == [1, 1, 1]
    assert not infos[1]["TimeLimit.truncated"]


def test_seeds_of_the_native_environment() -> None:
    env = as_vec_env(native_env(8))
    drawn = []
    for seed in (0, 0, 1, None):
        if seed is not None:
            env.seed(seed)
        obs = env.reset()
        assert isinstance(obs, dict)
        drawn.append(obs["inputs"].tolist())
    assert drawn[0] == drawn[1]
    assert drawn[1] != drawn[2] != drawn[3]


def test_attributes_and_methods_of_the_native_environment() -> None:
    env = as_vec_env(native_env(2, render_mode="ansi"))
    assert env.get_attr("num_envs") == [2, 2]
    assert env.get_attr("render_mode", indices=1) == ["ansi"]
    env.set_attr("mark", "set")
    assert env.get_attr("mark") == ["set", "set"]
    env.reset()
    assert len(env.env_method("render")[0]) == 2
    env.close()


def test_ppo_improves_on_the_copy_task() -> None:
    options: dict[str, Any] = {"reward": "cells", "max_segments": 2}
    check_env(gym.make(COPY, **options).unwrapped)
    env = make_vec_env(COPY, n_envs=8, seed=0, env_kwargs=options)
    model = PPO("MultiInputPolicy", env, n_steps=32, batch_size=64, n_epochs=4, learning_rate=3e-3, seed=0)
    before = mean_return(model, env, 100)
    model.learn(4096)
    after = mean_return(model, env, 100)
    assert before < 0.4
    assert after > 0.8


def test_ppo_takes_the_id_as_it_is() -> None:
    assert PPO("MultiInputPolicy", COPY, n_steps=16, batch_size=16, n_epochs=1).learn(16).num_timesteps == 16


def test_the_trained_agent_earns_its_accuracy() -> None:
    assert mean_return(trained_agent(), Monitor(sixty_puzzles()), 60) >= 0.95
