"""Steps per second of the native batched environment against Gymnasium's loop over scalar ones.

    python -m benchmarks.vector_env [--puzzle HRM-Sudoku-v0]

Both hold the same puzzles, take the same kind of actions (random answers that halt with probability 1/4, so that slots
are refilled, with augmentation) and return NumPy arrays. Another column shows the native one with tensors in and out,
as training uses it. The default is one thread, because the loop cannot use more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from benchmarks.options import Count, TimedOptions, run
from benchmarks.report import Part, Value
from benchmarks.timing import Call, side_by_side
from hrm_env.envs.spaces import pack_action
from hrm_env.sources import load_puzzles
from hrm_env.tasks import make_task
from train.options import Threads

HALTS, ACTIONS = 0.25, 8
Actions = Sequence[Any] | npt.NDArray[Any]
LOOP: dict[str, Any] = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
"""Options of `gym.make_vec` for Gymnasium's loop over scalar environments."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions(TimedOptions):
    """How a native environment is compared with a loop.

    Attributes:
        slots: Batch sizes.
        most_looped: Largest batch size of the loop, which holds an environment for each slot.
        transitions: Steps of single slots in a turn of the native environment; the loop takes a fiftieth.
    """

    threads: Threads = 1
    slots: tuple[Count, ...] = (1, 8, 64, 512, 4096)
    most_looped: int = 512
    transitions: Count = 32_768


@dataclass(frozen=True, kw_only=True)
class Options(LoopOptions):
    """What to measure.

    Attributes:
        puzzle: Registered id.
    """

    puzzle: str = "HRM-Sudoku-v0"


def measure(options: Options) -> Part:
    """Measures the steps per second for every number of slots."""
    device = options.prepare()
    task = make_task(gym.spec(options.puzzle).kwargs["task"])
    common: dict[str, Any] = {"source": load_puzzles(task, num_puzzles=256), "augment": True}
    rows = []
    for slots in options.slots:
        kinds: dict[str, dict[str, Any]] = {
            "native": {"device": device},
            "native, tensors": {"device": device, "array": "torch"},
            "loop": LOOP,
        }
        if slots > options.most_looped:
            del kinds["loop"]
        envs = {name: gym.make_vec(options.puzzle, num_envs=slots, **kind, **common) for name, kind in kinds.items()}
        tensors = _actions(task.spec.seq_len, task.spec.vocab_size, slots)
        arrays = [action.numpy() for action in tensors]
        actions = {name: [a.to(device) for a in tensors] if "tensors" in name else arrays for name in envs}
        rows.append(rates(envs, actions, options, device))
    title = f"{options.puzzle}: steps per second, all slots together"
    note = "loop: SyncVectorEnv of the scalar environment, as gym.make_vec(id, vectorization_mode='sync') makes it."
    return Part("environment", title, rows, [note])


def rates(
    envs: Mapping[str, VectorEnv[Any, Any, Any]],
    actions: Mapping[str, Actions],
    options: LoopOptions,
    device: torch.device,
) -> dict[str, Value]:
    """Times environments of as many slots by turns, and returns a row of their steps per second.

    Args:
        envs: By name; "native" is compared with "loop", if there is one.
        actions: For each, taken over and over.
        options: How long, and how often.
        device: Device of the environments.
    """
    slots = envs["native"].num_envs
    fractions = {name: 50 if name == "loop" else 1 for name in envs}
    steps = {name: min(1000, max(2, options.transitions // less // slots)) for name, less in fractions.items()}
    calls = {name: _turn(env, actions[name], steps[name]) for name, env in envs.items()}
    times = side_by_side(calls, options.rounds, device, options.clock)
    row: dict[str, Value] = {"slots": slots}
    row |= {f"{name}/s": steps[name] * slots / times.median(name) for name in envs}
    if "loop" not in envs:
        return row | {"loop/s": None, "native × loop": None}
    return row | {"native × loop": times.ratio("native", "loop") * steps["native"] / steps["loop"]}


def _actions(cells: int, tokens: int, slots: int) -> list[Tensor]:
    """Returns random answers and decisions."""
    generator = torch.Generator().manual_seed(0)
    return [
        pack_action(
            torch.randint(1, tokens, (slots, cells), generator=generator),
            torch.rand(slots, generator=generator) < HALTS,
        )
        for _ in range(ACTIONS)
    ]


def _turn(env: VectorEnv[Any, Any, Any], actions: Actions, steps: int) -> Call:
    env.reset(seed=0)

    def turn() -> None:
        for step in range(steps):
            env.step(actions[step % len(actions)])

    return turn


if __name__ == "__main__":
    run(Options, measure)
