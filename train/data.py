"""The training and the test environment of a run."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym

from hrm_agent.vec_env import registered
from hrm_env.sources import BadRows, Puzzles, load_puzzles
from hrm_env.task import PuzzleTask
from hrm_env.tasks import make_task
from hrm_env.vector import PuzzleVectorEnv
from train.presets import Data

EVALUATION_SLOTS = 256


def training_and_test_env(
    data: Data, batch_size: int, device: str, seed: int
) -> tuple[PuzzleVectorEnv, PuzzleVectorEnv]:
    """Batched environments: one to train on in random order, one that hands out every test puzzle once."""
    task = make_task(gym.spec(registered(data.env)).kwargs["task"])
    train, test = _puzzles(task, data, seed)
    common: dict[str, Any] = {"array": "torch", "device": device, "max_segments": data.max_segments}
    training = gym.make_vec(data.env, num_envs=batch_size, source=train, augment=data.augment, **common)
    test_env = gym.make_vec(data.env, num_envs=min(EVALUATION_SLOTS, len(test)), source=test, order="once", **common)
    return cast(PuzzleVectorEnv, training.unwrapped), cast(PuzzleVectorEnv, test_env.unwrapped)


def _puzzles(task: PuzzleTask, data: Data, seed: int) -> tuple[Puzzles, Puzzles]:
    """Training and test puzzles: generated, from two files, or from one whose last rows are held out."""
    if data.source == "generated":
        train = load_puzzles(task, split="train", num_puzzles=data.num_puzzles, puzzle_seed=seed)
        return train, load_puzzles(task, split="test", num_puzzles=data.test_puzzles)
    bad_rows: BadRows = "skip" if data.skip_bad_rows else "raise"
    train = load_puzzles(task, data.source, bad_rows=bad_rows)
    if data.test_source:
        test = load_puzzles(task, data.test_source, bad_rows=bad_rows)
    else:
        held_out = max(1, min(5000, len(train) // 10))
        train, test = train[:-held_out], train[-held_out:]
    for name, puzzles in (("training", train), ("test", test)):
        if puzzles.skipped:
            print(f"{name} puzzles: {puzzles.skipped} bad rows skipped")
    return train, test[: data.test_puzzles]
