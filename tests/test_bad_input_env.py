"""Whatever is wrong with an option, an action or an index of an environment is said in one clear sentence."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from hrm_env.vector import PuzzleVectorEnv

ID = "HRM-Sudoku4x4-v0"
SMALL: dict[str, Any] = {"num_puzzles": 12, "max_segments": 3}
FROM_FILE: dict[str, Any] = {"max_segments": 3}


def scalar(**options: Any) -> Any:
    return gym.make(ID, **(FROM_FILE if "source" in options else SMALL) | options).unwrapped


def native(**options: Any) -> Any:
    return gym.make_vec(ID, num_envs=4, **(FROM_FILE if "source" in options else SMALL) | options)


BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"colour": "red"}, r"sudoku:2x2: unknown option 'colour'"),
    "max_segments": ({"max_segments": 0}, "max_segments: expected at least 1, found 0"),
    "num_puzzles": ({"num_puzzles": 0}, "num_puzzles: expected at least 1, found 0"),
    "reward": ({"reward": "gold"}, "reward: expected one of exact, cells, rules or a function, found 'gold'"),
    "reward kind": ({"reward": 3}, "reward: expected one of exact, cells, rules or a function, found 3"),
    "order": ({"order": "sorted"}, r"order: expected one of .*, found 'sorted'"),
    "render_mode": ({"render_mode": "hologram"}, "render_mode: expected one of .*, found 'hologram'"),
    "split": ({"split": "tset"}, r"split: expected one of .*, found 'tset'"),
    "source": ({"source": "nowhere.csv"}, "nowhere.csv: expected a readable CSV file"),
    "source's option": (
        {"source": "nowhere.csv", "split": "test"},
        "unknown option 'split'; the options of",
    ),
    "blank_fraction": ({"blank_fraction": 2}, "blank_fraction: expected a number or ascending bounds .*, found 2"),
    "bounds": ({"blank_fraction": (1, 0)}, r"blank_fraction: expected a number or ascending bounds .*, found \(1, 0\)"),
    "easier": ({"easier": -1}, "easier: expected a share of 0 to 1, found -1"),
    "no blanks": ({"task": "copy:4x4", "blank_fraction": 0.5}, "expected 1, as copy:4x4 has no blank cells, found 0.5"),
    "task": ({"task": "chess:8x8"}, "task: expected a PuzzleTask or one of sudoku:.*, found 'chess:8x8'"),
}


@pytest.mark.filterwarnings("ignore")  # Gymnasium adds its own word on unknown render modes
@pytest.mark.parametrize("make", [scalar, native])
@pytest.mark.parametrize("kind", BAD_OPTIONS)
def test_options(kind: str, make: Any) -> None:
    options, message = BAD_OPTIONS[kind]
    with pytest.raises((ValueError, TypeError), match=message):
        make(**options)


def test_options_of_one_environment_alone() -> None:
    with pytest.raises(ValueError, match=r"order: expected one of \('random', 'sequential'\) in a scalar environment"):
        scalar(order="once")
    with pytest.raises(ValueError, match="array: expected 'numpy' or 'torch', found 'jax'"):
        native(array="jax")
    with pytest.raises(ValueError, match="num_envs: expected at least 1, found 0"):
        PuzzleVectorEnv("copy:4x4", num_envs=0)


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
