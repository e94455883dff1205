"""Whatever is wrong with an option, an action or an index of an environment is said in one clear sentence."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from hrm_env.checks import UnknownOptionError
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.puzzles import Puzzles

ID = "HRM-Sudoku4x4-v0"
SMALL: dict[str, Any] = {"num_puzzles": 12, "max_segments": 3}
FROM_FILE: dict[str, Any] = {"max_segments": 3}


def scalar(**options: Any) -> Any:
    return gym.make(ID, **(FROM_FILE if "source" in options else SMALL) | options).unwrapped


def native(**options: Any) -> Any:
    return gym.make_vec(ID, num_envs=4, **(FROM_FILE if "source" in options else SMALL) | options)


def puzzles(inputs: Any = 2, dtype: type = np.uint8, **columns: Any) -> Puzzles:
    """Two puzzles of 16 equal tokens."""
    return Puzzles(np.full((2, 16), inputs, dtype=dtype), np.full((2, 16), 3, dtype=np.uint8), **columns)


def reward_of_one(answer: torch.Tensor) -> torch.Tensor:
    return answer


COUNT = "expected an integer from 1 to 65536, found"
REWARD = "reward: expected one of exact, cells, rules or a function, found"
BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"colour": "red"}, "VectorEnv|Env with the source 'generated' got an unexpected keyword .* 'colour'"),
    "typo": ({"max_segment": 8}, "unexpected keyword argument 'max_segment'; did you mean 'max_segments'?"),
    "source's typo": ({"num_puzzle": 8}, "unexpected keyword argument 'num_puzzle'; did you mean 'num_puzzles'?"),
    "generator's typo": ({"clue": 8}, "unexpected keyword argument 'clue'; did you mean 'clues'?"),
    "own typo": ({"render_mod": "ansi"}, "unexpected keyword argument 'render_mod'; did you mean 'render_mode'?"),
    "max_segments": ({"max_segments": 0}, f"max_segments: {COUNT} 0"),
    "max_segments in text": ({"max_segments": "8"}, f"max_segments: {COUNT} '8'"),
    "max_segments in parts": ({"max_segments": 2.5}, f"max_segments: {COUNT} 2.5"),
    "max_segments without end": ({"max_segments": 10**6}, f"max_segments: {COUNT} 1000000"),
    "num_puzzles": ({"num_puzzles": 0}, "num_puzzles: expected an integer from 1 to [0-9]+, found 0"),
    "num_puzzles in parts": ({"num_puzzles": 2.5}, "num_puzzles: expected an integer from 1 to [0-9]+, found 2.5"),
    "clues": ({"clues": "abc"}, "clues: expected an integer from 0 to 16, found 'abc'"),
    "min_rating": ({"min_rating": 1.5}, "min_rating: expected an integer from 0 to 60, found 1.5"),
    "max_rating": ({"max_rating": "1"}, "max_rating: expected an integer of at most .*, found '1'"),
    "max_rating beyond measure": ({"max_rating": 2**70}, "max_rating: expected an integer of at most .*, found 118"),
    "reward": ({"reward": "gold"}, f"{REWARD} 'gold'"),
    "reward kind": ({"reward": ["exact"]}, rf"{REWARD} \['exact'\]"),
    "reward signature": (
        {"reward": reward_of_one},
        "reward: .* function of .task, batch, answer., found 'reward_of_one",
    ),
    "reward shape": (
        {"reward": lambda task, batch, answer: answer},
        r"one number .* 2 answers, found torch.int64 \(2, 16",
    ),
    "reward type": (
        {"reward": lambda task, batch, answer: 1.0},
        "reward: expected a tensor with one number .* found 1.0",
    ),
    "segment_cost": ({"segment_cost": float("nan")}, "segment_cost: expected a finite number, found nan"),
    "segment_cost in text": ({"segment_cost": "0.1"}, "segment_cost: expected a finite number, found '0.1'"),
    "wrong_cost": ({"wrong_cost": -1}, "wrong_cost: expected a finite number of at least 0, found -1"),
    "augment": ({"augment": "yes"}, "augment: expected True or False, found 'yes'"),
    "order": ({"order": "sorted"}, r"order: expected one of .*, found 'sorted'"),
    "order kind": ({"order": ["once"]}, r"order: expected one of .*, found \['once'\]"),
    "render_mode": ({"render_mode": "hologram"}, "render_mode: expected one of .*, found 'hologram'"),
    "split": ({"split": "tset"}, r"split: expected one of .*, found 'tset'"),
    "source": ({"source": "nowhere.csv"}, "nowhere.csv: expected a readable CSV file"),
    "source kind": ({"source": 3}, "source: expected 'generated', a data set, a path or Puzzles, found 3"),
    "source's option": (
        {"source": "nowhere.csv", "split": "test"},
        "the source 'nowhere.csv' got an unexpected keyword argument 'split'",
    ),
    "option of puzzles": ({"source": puzzles(), "split": "test"}, "puzzles in memory got an unexpected .* 'split'"),
    "no puzzles": ({"source": puzzles()[:0]}, "source: expected at least one puzzle, found none"),
    "cells": ({"source": puzzles(), "task": "copy:4x4"}, r"source: expected puzzles of 4 cells \(copy:4x4\), found 16"),
    "tokens": ({"source": puzzles(99)}, r"source: expected inputs from 0 to 5 \(sudoku:2x2\), found 99"),
    "puzzle_id": (
        {"source": puzzles(puzzle_id=np.array([0, -1], dtype=np.int32))},
        r"source: expected puzzle_id from 0 to 0 \(sudoku:2x2\), found -1",
    ),
    "blank_fraction": ({"blank_fraction": 2}, "blank_fraction: expected a finite number from 0 to 1, found 2"),
    "blank_fraction kind": ({"blank_fraction": "half"}, "blank_fraction: expected a finite number .*, found 'half'"),
    "bounds": ({"blank_fraction": (1, 0)}, r"blank_fraction: expected a number or two ascending ones, found \(1, 0\)"),
    "three bounds": ({"blank_fraction": (0, 0, 1)}, "blank_fraction: expected a number or two ascending ones, found"),
    "easier": ({"easier": -1}, "easier: expected a finite number from 0 to 1, found -1"),
    "no blanks": ({"task": "copy:4x4", "blank_fraction": 0.5}, "expected 1, as copy:4x4 has no blank cells, found 0.5"),
    "task": ({"task": "chess:8x8"}, "task: expected a PuzzleTask or one of sudoku:.*, found 'chess:8x8'"),
    "task kind": ({"task": 3}, "task: expected a PuzzleTask or one of sudoku:.*, found 3"),
}


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"inputs": 300, "dtype": np.int64}, "inputs as an array of uint8, found 300"),
        ({"rating": [1, 2]}, "rating .* int32, found list"),
    ],
)
def test_columns_of_puzzles(columns: dict[str, Any], found: str) -> None:
    with pytest.raises(ValueError, match=f"puzzles: expected {found}"):
        puzzles(**columns)


def test_errors_of_a_reward_function_are_its_own() -> None:
    def broken(task: Any, batch: Any, answer: Any) -> Any:
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine"):
        PuzzleVectorEnv("copy:4x4", num_puzzles=2, reward=broken)


@pytest.mark.filterwarnings("ignore")  # Gymnasium adds its own word on unknown render modes
@pytest.mark.parametrize("make", [scalar, native])
@pytest.mark.parametrize("kind", BAD_OPTIONS)
def test_options(kind: str, make: Any) -> None:
    options, message = BAD_OPTIONS[kind]
    with pytest.raises((ValueError, TypeError), match=message):
        make(**options)


def test_options_of_one_environment_alone() -> None:
    with pytest.raises(ValueError, match="order: expected random or sequential in a scalar environment, found 'once'"):
        scalar(order="once")
    with pytest.raises(ValueError, match="array: expected one of numpy, torch, found 'jax'"):
        native(array="jax")
    with pytest.raises(ValueError, match="device: expected auto, cpu, cuda or cuda:N, found 'gpu'"):
        native(device="gpu")
    with pytest.raises(ValueError, match=r"device: expected .* CUDA device.*, found 'cuda:99'"):
        native(device="cuda:99")
    with pytest.raises(ValueError, match="autoreset_mode: expected one of NextStep, SameStep, Disabled, found 'Never'"):
        native(autoreset_mode="Never")


@pytest.mark.parametrize("num_envs", [0, -1, 2.5, "4", True, None, 10**400])
def test_slots(num_envs: Any) -> None:
    with pytest.raises(ValueError, match="num_envs: expected an integer from 1 to 16777216, found"):
        PuzzleVectorEnv("copy:4x4", num_envs=num_envs)


@pytest.mark.parametrize("seed", [-1, 0.5, "7", True, [None, 7, 8, 9], [], [1, 2, 3], [1, 2, 3, -4]])
def test_seeds(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed: expected (an integer of at least 0|one integer, or a list of 4)"):
        native().reset(seed=seed)


@pytest.mark.parametrize("seed", [-1, 0.5, "7", True, []])
def test_seeds_of_one(seed: Any) -> None:
    with pytest.raises(ValueError, match="seed: expected an integer of at least 0, found"):
        scalar().reset(seed=seed)


@pytest.mark.parametrize("mask", [[True], [1, 0, 0, 0], [False] * 4, "all", True])
def test_reset_masks(mask: Any) -> None:
    env = native()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r'options."reset_mask".: expected a boolean array of shape \(4,\)'):
        env.reset(options={"reset_mask": mask})


def test_an_option_that_nobody_has_is_the_type_error_that_libraries_look_for() -> None:
    """TorchRL asks every environment for `frameskip`, and goes on without where Python's own words refuse it."""
    for make in (scalar, native):
        with pytest.raises(TypeError, match="got an unexpected keyword argument 'frameskip'") as caught:
            make(frameskip=1, source=puzzles())
        assert isinstance(caught.value, UnknownOptionError)
        assert len(str(caught.value)) < 600  # Gymnasium adds all options, of which the puzzles are long


def action(answer: int = 0, halt: int = 0) -> np.ndarray:
    return np.array([answer] * 16 + [halt])


BAD_ACTIONS: dict[str, tuple[np.ndarray, str]] = {
    "shape": (action()[:5], "expected integers of shape {shape} (answer tokens, then halt), found int64 {found}"),
    "dtype": (action() / 2, "expected integers of shape {shape} (answer tokens, then halt), found float64 {shape}"),
    "token": (action(answer=6), "expected 0 to 5 at position 0, found 6"),
    "halt": (action(halt=2), "expected 0 to 1 at position 16, found 2"),
    "negative": (action(halt=-1), "expected 0 to 1 at position 16, found -1"),
}


@pytest.mark.parametrize("make", [scalar, native])
@pytest.mark.parametrize("kind", BAD_ACTIONS)
def test_actions(kind: str, make: Any) -> None:
    one, message = BAD_ACTIONS[kind]
    env, batch = make(), () if make is scalar else (4,)
    env.reset(seed=0)
    bad = np.broadcast_to(one, (*batch, *one.shape))
    with pytest.raises(ValueError, match=re.escape("action: " + message.format(shape=(*batch, 17), found=bad.shape))):
        env.step(bad)


def test_answer_and_decision_apart_are_no_action() -> None:
    env = native()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"integers of shape \(4, 17\) .*, found parts of different shapes"):
        env.step((np.zeros((4, 16), dtype=np.int64), np.zeros(4, dtype=np.int64)))


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (torch.zeros(4, 16, dtype=torch.long), "torch.int64 (4, 16)"),
        (torch.zeros(4, 17), "torch.float32 (4, 17)"),
        (np.zeros((4, 17), dtype=np.int64), "ndarray"),
    ],
    ids=["shape", "dtype", "array"],
)
def test_tensor_actions(bad: Any, found: str) -> None:
    env = native(array="torch")
    env.reset(seed=0)
    message = f"action: expected an integer tensor of shape (4, 17), found {found}"
    with pytest.raises(ValueError, match=re.escape(message)):
        env.step(bad)


def test_steps_after_the_end() -> None:
    env = scalar()
    env.reset(seed=0)
    assert env.step(action(halt=1))[2]
    with pytest.raises(gym.error.ResetNeeded, match=r"step: expected reset\(\) after the end of an episode"):
        env.step(action(halt=1))
    env.reset()
    assert env.step(action(halt=0))[2] is False


@pytest.mark.parametrize("make", [scalar, native])
def test_steps_before_reset(make: Any) -> None:
    env = make()
    with pytest.raises(gym.error.ResetNeeded, match="step: expected reset"):
        env.step(np.zeros(env.action_space.shape, dtype=np.int64))


def test_pictures_before_reset() -> None:
    with pytest.raises(gym.error.ResetNeeded, match="render: expected reset"):
        scalar(render_mode="ansi").render()


@pytest.mark.parametrize(
    ("make", "index", "wanted"),
    [
        *((scalar, index, "an integer") for index in (12, -1, 2.5, "three", None, True, [1])),
        *((native, index, "4 integers") for index in (3, [0, 1], [0, 1, 2, 12], [0, 1, 2, 2.5], ["a"] * 4)),
    ],
)
def test_indices(make: Any, index: Any, wanted: str) -> None:
    message = f'options["index"]: expected {wanted} from 0 to 11, found {index!r}'
    with pytest.raises(ValueError, match=re.escape(message)):
        make().reset(options={"index": index})
