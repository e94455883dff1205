"""The scalar environment: the contract, the API checks, the rewards, and what it refuses."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordVideo
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import hrm_env

IDS = hrm_env.registered_ids()
SMALL: dict[str, Any] = {"num_puzzles": 12, "max_segments": 3}


def make(id: str = "HRM-Sudoku4x4-v0", **options: Any) -> gym.Env[Any, Any]:
    return gym.make(id, **SMALL | options)


def act(answer: Any, halt: int) -> np.ndarray:
    return np.append(answer, halt)


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("check", [lambda env: check_env(env.unwrapped), sb3_check_env], ids=["gymnasium", "sb3"])
def test_api_checks_pass_without_warnings(id: str, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(make(id, render_mode="rgb_array"))


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, hrm_env; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("id", IDS)
def test_the_solution_is_in_info_and_not_in_the_observation(id: str) -> None:
    env = make(id)
    observation, info = env.reset(seed=0)
    assert set(observation) == {"inputs", "puzzle_id", "segment"}
    assert info["solution"].shape == observation["inputs"].shape
    assert observation["segment"] == 0


@pytest.mark.parametrize("id", IDS)
def test_halting_on_the_right_answer_pays_one(id: str) -> None:
    env = make(id)
    _, info = env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(act(info["solution"], 1))
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["exact"], info["cell_accuracy"], info["segments"], info["halt_reason"]) == (True, 1.0, 1, "agent")


def test_halting_on_a_wrong_answer_pays_nothing() -> None:
    env = make()
    _, info = env.reset(seed=0)
    answer = info["solution"].copy()
    answer[5] = 1
    _, reward, terminated, _, info = env.step(act(answer, 1))
    assert (reward, terminated, info["exact"], info["cell_accuracy"]) == (0.0, True, False, 15 / 16)


def test_the_last_segment_is_graded_whatever_the_halt_bit() -> None:
    env = make(segment_cost=0.25)
    _, info = env.reset(seed=0)
    steps = [env.step(act(info["solution"], 0)) for _ in range(3)]
    assert [step[1] for step in steps] == [-0.25, -0.25, 0.75]
    assert [step[2] for step in steps] == [False, False, True]
    assert [step[0]["segment"] for step in steps] == [1, 2, 3]
    assert (steps[-1][4]["halt_reason"], steps[-1][4]["segments"]) == ("budget", 3)
    assert "halt_reason" not in steps[0][4]


@pytest.mark.parametrize(
    ("reward", "right", "half"),
    [
        ("exact", 1.0, 0.0),
        ("cells", 1.0, 0.5),
        ("rules", 1.0, 0.0),
        (lambda task, batch, answer: answer[:, 0] * 2, 0, 0),
    ],
)
def test_rewards(reward: Any, right: float, half: float) -> None:
    env = make("HRM-Copy-v0", reward=reward)
    for share, expected in ((1, right), (2, half)):
        _, info = env.reset(seed=0)
        answer = info["solution"].copy()
        answer[len(answer) // share :] = 0
        paid = env.step(act(answer, 1))[1]
        assert paid == (2 * answer[0] if callable(reward) else expected)


@pytest.mark.parametrize("halts", [True, False])
@pytest.mark.parametrize(
    "reward", ["exact", "cells", "rules", lambda task, batch, answer: 1 + (answer == batch.solution).float().mean(-1)]
)
def test_an_answer_of_pad_alone_abstains(reward: Any, halts: bool) -> None:
    """It pays 0, whatever a wrong answer costs; one written cell makes it an answer."""
    env = make("HRM-Copy-v0", reward=reward, wrong_cost=2, max_segments=1, segment_cost=0.25)
    _, info = env.reset(seed=0)
    answer = np.zeros_like(info["solution"])
    _, paid, terminated, _, ending = env.step(act(answer, int(halts)))
    assert (paid, terminated, ending["halt_reason"]) == (-0.25, True, "abstained")
    assert (ending["exact"], ending["cell_accuracy"]) == (False, 0.0)
    _, info = env.reset(seed=0)
    answer[0] = info["solution"][0]
    _, paid, _, _, ending = env.step(act(answer, int(halts)))
    value = 1.25 if callable(reward) else {"cells": 0.25}.get(reward, 0.0)
    assert (paid, ending["halt_reason"]) == (value - 2 - 0.25, "agent" if halts else "budget")


def test_a_running_episode_hands_in_nothing() -> None:
    env = make(wrong_cost=2)
    _, info = env.reset(seed=0)
    _, paid, terminated, _, running = env.step(act(np.zeros_like(info["solution"]), 0))
    assert (paid, terminated, "halt_reason" in running) == (0.0, False, False)
    assert env.step(act(info["solution"], 1))[1] == 1.0


@pytest.mark.parametrize("cost", [0.0, 0.5, 2.0])
def test_a_wrong_answer_costs_so_that_silence_can_be_worth_it(cost: float) -> None:
    """Answers that are right with probability p = 1/2 return p − (1 − p) · cost on average, silence returns 0."""
    env = make(order="sequential", wrong_cost=cost)
    returns = []
    for number in range(12):
        _, info = env.reset()
        answer = info["solution"] if number % 2 else np.full(16, 2)
        returns.append(float(env.step(act(answer, 1))[1]))
    assert np.mean(returns) == 0.5 - 0.5 * cost


@pytest.mark.parametrize("cost", [0.0, 0.5])
def test_with_the_reward_rules_the_tasks_check_says_what_is_wrong(cost: float) -> None:
    """In an open room any shortest path is right, the stored one or another."""
    wall, start, goal, free, path = 1, 3, 4, 2, 5
    room = np.full((10, 10), wall)
    room[1:4, 1:4] = free
    room[1, 1], room[3, 3] = start, goal
    stored, other = room.copy(), room.copy()
    for row, column in ((2, 1), (3, 1), (3, 2)):
        stored[row, column], other[column, row] = path, path
    source = hrm_env.Puzzles(inputs=room.reshape(1, -1), solution=stored.reshape(1, -1))
    env = gym.make("HRM-Maze10x10-v0", source=source, reward="rules", wrong_cost=cost)
    for answer, value in ((stored, 1.0), (other, 1.0), (room, -cost)):
        env.reset(seed=0)
        assert env.step(act(answer.reshape(-1), 1))[1] == value


def test_the_mean_return_is_the_exact_accuracy() -> None:
    env = make(order="sequential")
    rng = np.random.default_rng(0)
    returns, exact = [], []
    for _ in range(12):
        _, info = env.reset()
        answer = info["solution"] if rng.random() < 0.5 else np.ones(16, dtype=np.int64)
        done, total = False, 0.0
        while not done:
            _, reward, done, _, info = env.step(act(answer, int(rng.random() < 0.3)))
            total += float(reward)
        returns.append(total)
        exact.append(info["exact"])
    assert 0 < np.mean(exact) < 1
    assert np.mean(returns) == np.mean(exact)


def test_seeds_and_orders() -> None:
    def indices(env: gym.Env[Any, Any], seed: int | None) -> list[int]:
        return [env.reset(seed=seed if first else None)[1]["index"] for first in [True] + [False] * 13]

    env = make(order="random")
    assert indices(env, 1) == indices(env, 1) != indices(env, 2)
    assert indices(make(order="sequential"), 1) == [*range(12), 0, 1]
    assert make().reset(options={"index": 7})[1]["index"] == 7


def test_augmentation_is_seeded() -> None:
    env = make(augment=True)
    first, again, other = (env.reset(seed=seed, options={"index": 3})[0]["inputs"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_observations_stay_as_they_were() -> None:
    env = make(augment=True)
    observation, info = env.reset(seed=0)
    kept = observation["inputs"].copy(), info["solution"].copy()
    env.step(act(info["solution"], 1))
    env.reset()
    assert np.array_equal(observation["inputs"], kept[0])
    assert np.array_equal(info["solution"], kept[1])


def test_ansi_shows_givens_right_wrong_and_changed() -> None:
    env = make(render_mode="ansi")
    observation, info = env.reset(seed=0)
    assert "\033[1m" in env.render()  # type: ignore[operator]  # givens are bold
    blank = np.flatnonzero(observation["inputs"] == 1)
    answer = info["solution"].copy()
    env.step(act(answer, 0))
    text = env.render()
    assert text.count("\033[32") == len(blank)  # type: ignore[union-attr]  # right answers are green
    answer[blank[0]] = 2 + (answer[blank[0]] - 1) % 4
    env.step(act(answer, 0))
    text = env.render()
    assert text.count("\033[31") == 1  # type: ignore[union-attr]  # one wrong answer in red,
    assert ";4m" in text  # type: ignore[operator]  # underlined, because it changed


def even_picture(env: gym.Env[Any, Any]) -> np.ndarray:
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.dtype == np.uint8
    assert (picture.ndim, picture.shape[2]) == (3, 3)
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    return picture


@pytest.mark.parametrize("id", IDS)
def test_pictures_have_even_sizes_and_tell_right_from_wrong(id: str) -> None:
    env = make(id, render_mode="rgb_array")
    _, info = env.reset(seed=0)
    puzzle = even_picture(env)
    env.step(act(info["solution"], 0))
    right = even_picture(env)
    env.step(act(np.ones_like(info["solution"]), 0))
    wrong = even_picture(env)
    assert not np.array_equal(puzzle, right)
    assert not np.array_equal(right, wrong)


def test_record_video_writes_a_film(tmp_path: Path) -> None:
    env = RecordVideo(make(render_mode="rgb_array"), str(tmp_path / "films"), disable_logger=True)
    _, info = env.reset(seed=0)
    for halt in (0, 0, 1):
        env.step(act(info["solution"], halt))
    env.close()
    (film,) = (tmp_path / "films").glob("*.mp4")
    assert film.stat().st_size > 1000
