"""The training and the test environment of a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import gymnasium as gym

from hrm_agent.sb3.vec_env import registered
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.puzzles import Puzzles
from hrm_env.sources import Split, load_puzzles, options_of
from hrm_env.task import PuzzleTask
from hrm_env.tasks import make_task

from .options import HeldOut, flag, named_values
from .presets import Data
from .splitting import hold_out

EVALUATION_SLOTS = 256
NUM_PUZZLES = 1000
"""Generated puzzles, unless there is another number."""


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
    """Training and test puzzles: a source's two splits, two sources, or one whose last puzzles are held out.

    Raises:
        ValueError: There is no source, or no puzzle would be left to train on.
    """
    if not data.source:
        raise ValueError("--source: expected the puzzles to train on, such as a CSV file, found none")
    own = partial(load_part, task, data.source, option=data.option, skip_bad_rows=data.skip_bad_rows)
    train = own("train", puzzle_seed=seed, num_puzzles=data.num_puzzles)
    if (held_out := _held_out(task, data)) is not None:
        train, test = hold_out(task, train, held_out)
    elif data.test_source:
        test = load_part(task, data.test_source, "test", skip_bad_rows=data.skip_bad_rows)
    else:
        test = own("test", num_puzzles=data.test_puzzles if data.source == "generated" else None)
    for name, puzzles in (("training", train), ("test", test)):
        if puzzles.skipped:
            print(f"{name} puzzles: {puzzles.skipped} bad rows skipped")
    return train, test.spread(data.test_puzzles)


def _held_out(task: PuzzleTask, data: Data) -> HeldOut:
    """How many training puzzles are the test puzzles, or None where there are others."""
    if data.held_out is None and not data.test_source and "split" not in options_of(task, data.source):
        return "auto"
    return data.held_out


def check_source(option: str, source: str) -> None:
    """Refuses a source whose file is missing, before another source is read.

    Raises:
        ValueError: Begins with ``option``.
    """
    if source != "generated" and not source.startswith("hub:") and not Path(source).exists():
        raise ValueError(f"{option}: expected generated, hub:owner/name, a file or a folder, found {source!r}")


def test_arguments(data: Data, seed: int) -> list[str]:
    """What to tell ``evaluate`` and ``watch`` so that they take the test puzzles of a run with these data and seed."""
    task = task_of(data.env)
    held_out = _held_out(task, data)
    other = data.test_source if held_out is None else ""
    source = other or data.source
    given: dict[str, Any] = {
        "env": data.env if ":" in data.env else None,  # another module's, which a checkpoint cannot name
        "source": source if source != "generated" else None,
        "held_out": held_out,
        "test_puzzles": data.test_puzzles,
    }
    if held_out is not None:
        seeded = "puzzle_seed" in options_of(task, source)
        given |= {"num_puzzles": data.num_puzzles, "puzzle_seed": seed if seeded and seed else None}
    elif source == "generated" and not other:
        same = data.test_puzzles == NUM_PUZZLES
        given |= {"test_puzzles": None, "num_puzzles": None if same else data.test_puzzles}
    texts = [text for name, value in given.items() if value is not None for text in (flag(name), str(value))]
    texts += ["--skip-bad-rows"] if data.skip_bad_rows else []
    return texts + [text for option in ([] if other else data.option) for text in ("--option", option)]


def options_from(texts: Sequence[str], task: PuzzleTask, source: str) -> dict[str, Any]:
    """Options of a source from the command line, each ``name=value``, as `named_values` reads them.

    Raises:
        ValueError: A text is not of that form, or its name none of the source's options.
    """
    known = [name for name in options_of(task, source) if name != "split"]  # which is chosen by what a command does
    return named_values("--option", texts, known)


def load_part(
    task: PuzzleTask,
    source: str,
    split: Split,
    *,
    option: Sequence[str] = (),
    puzzle_seed: int = 0,
    skip_bad_rows: bool = False,
    **wanted: Any,
) -> Puzzles:
    """The puzzles of one split, where the source has two, else all.

    Args:
        task: The puzzle family.
        source: As `load_puzzles` takes it.
        split: Which.
        option: Options of the source, each ``name=value``; they go before all others.
        puzzle_seed: Seed of the puzzles, if the source draws them.
        skip_bad_rows: Skip and count bad rows, where the source has rows, instead of stopping.
        **wanted: Options of the source that are options of the command, too; what is None was not asked for.

    Raises:
        ValueError: The source has no such option, or something is wrong with it.
    """
    known = options_of(task, source)
    wanted = {name: value for name, value in wanted.items() if value is not None}
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is not None:
        raise ValueError(f"{flag(unknown)}: expected a source with that option, found {source}")
    of_all = {"split": split, "puzzle_seed": puzzle_seed, "bad_rows": "skip" if skip_bad_rows else "raise"}
    given = {name: value for name, value in of_all.items() if name in known}
    return load_puzzles(task, source, **given | wanted | options_from(option, task, source))
