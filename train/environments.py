"""The training and the test environment of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import gymnasium as gym

from hrm_agent.vec_env import registered
from hrm_env.puzzles import Puzzles
from hrm_env.sources import Split, load_puzzles, options_of
from hrm_env.task import PuzzleTask
from hrm_env.tasks import make_task
from hrm_env.vector import PuzzleVectorEnv

from .presets import Data

EVALUATION_SLOTS = 256


def training_and_test_env(
    data: Data, batch_size: int, device: str, seed: int, segment_cost: float = 0.0
) -> tuple[PuzzleVectorEnv, PuzzleVectorEnv]:
    """Batched environments: one to train on in random order, one that hands out every test puzzle once.

    A segment costs something in training alone: a test tells how many are right and how many segments it took.
    """
    task = task_of(data.env)
    train, test = _puzzles(task, data, seed)
    common: dict[str, Any] = {"array": "torch", "device": device, "max_segments": data.max_segments}
    lesson: dict[str, Any] = {
        "augment": data.augment,
        "blank_fraction": data.blank_fraction,
        "easier": data.easier,
        "segment_cost": segment_cost,
    }
    training = gym.make_vec(data.env, num_envs=batch_size, source=train, **lesson, **common)
    test_env = gym.make_vec(data.env, num_envs=min(EVALUATION_SLOTS, len(test)), source=test, order="once", **common)
    return cast(PuzzleVectorEnv, training.unwrapped), cast(PuzzleVectorEnv, test_env.unwrapped)


def task_of(env: str) -> PuzzleTask:
    """The puzzle family of a registered environment."""
    return make_task(gym.spec(registered(env)).kwargs["task"])


def _puzzles(task: PuzzleTask, data: Data, seed: int) -> tuple[Puzzles, Puzzles]:
    """Training and test puzzles: a source's two splits, two sources, or one whose last rows are held out.

    Raises:
        ValueError: There is no source, or no puzzle would be left to train on.
    """
    if not data.source:
        raise ValueError("--source: expected the puzzles to train on, such as a CSV file, found none")
    bad_rows = "skip" if data.skip_bad_rows else None
    options = {"bad_rows": bad_rows} | options_from(data.option)
    train = load_part(task, data.source, "train", seed, num_puzzles=data.num_puzzles, **options)
    if data.held_out is not None:
        if not 0 < data.held_out < len(train):
            raise ValueError(f"--held-out: expected 1 to {len(train) - 1} training puzzles, found {data.held_out}")
        train, test = train[: -data.held_out], train[-data.held_out :]
    elif data.test_source:
        test = load_part(task, data.test_source, "test", bad_rows=bad_rows)
    elif "split" in options_of(task, data.source):
        count = data.test_puzzles if data.source == "generated" else None
        test = load_part(task, data.source, "test", num_puzzles=count, **options)
    else:
        held_out = max(1, min(5000, len(train) // 10))
        train, test = train[:-held_out], train[-held_out:]
    for name, puzzles in (("training", train), ("test", test)):
        if puzzles.skipped:
            print(f"{name} puzzles: {puzzles.skipped} bad rows skipped")
    return train, test[: data.test_puzzles]


def test_arguments(data: Data, count: int) -> list[str]:
    """What to tell ``evaluate`` and ``watch`` so that they take the ``count`` test puzzles of a run."""
    puzzle = ["--env", data.env] if ":" in data.env else []  # another module's, which a checkpoint cannot name
    if data.test_source:
        return [*puzzle, "--source", data.test_source]
    options = [text for option in data.option for text in ("--option", option)]
    if data.source == "generated":
        return [*puzzle, *options]
    own_test = "split" in options_of(task_of(data.env), data.source)
    held_out = [] if own_test else [f"--rows=-{count if data.held_out is None else data.held_out}:"]
    return [*puzzle, "--source", data.source, *held_out, *options]


def options_from(texts: Sequence[str]) -> dict[str, Any]:
    """Options of a source from the command line, each ``name=value``; numbers, true, false and null are themselves.

    Raises:
        ValueError: A text is not of that form.
    """
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--option: expected name=value, found {text!r}")
        try:
            options[name.replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:
            options[name.replace("-", "_")] = value
    return options


def load_part(task: PuzzleTask, source: str, split: Split, seed: int = 0, **options: Any) -> Puzzles:
    """The puzzles of one split, where the source has two, else all.

    Args:
        task: The puzzle family.
        source: As `load_puzzles` takes it.
        split: Which.
        seed: Of generated puzzles.
        **options: Those of the source; what is None was not asked for.
    """
    given = {name: value for name, value in options.items() if value is not None}
    known = options_of(task, source)
    given |= {name: value for name, value in (("split", split), ("puzzle_seed", seed)) if name in known}
    return load_puzzles(task, source, **given)
