"""Steps per second of the native batched environment against Gymnasium's loop over scalar ones.

    python -m benchmarks.vector_env [--puzzle HRM-Sudoku-v0]

Both hold the same puzzles, take the same kind of actions (random answers that halt with probability 1/4, so that slots
are refilled, with augmentation) and return NumPy arrays; a column tells the native one with tensors in and out, as
training uses it. Threads: 1, for the loop has no use for more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import torch
import tyro
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from benchmarks.report import Part, Value, print_part
from benchmarks.timing import Call, Clock, side_by_side, use_threads
from hrm_env.devices import check_device
from hrm_env.envs.actions import pack
from hrm_env.sources import load_puzzles
from hrm_env.tasks import make_task

HALTS, ACTIONS = 0.25, 8


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        puzzle: Registered id.
        slots: Batch sizes.
        most_looped: The loop is measured up to so many slots; each is an environment of its own.
        rounds: Turns of each, which the median is over.
        transitions: Steps of single slots in a turn of the native environment; the loop takes a fiftieth.
        threads: CPU threads; 0 for all cores.
        device: Of the native environment: "auto", "cpu" or "cuda".
        clock: "wall", or "cpu" for the process's CPU time, on a machine that is busy with other work (with one thread).
    """

    puzzle: str = "HRM-Sudoku-v0"
    slots: tuple[int, ...] = (1, 8, 64, 512, 4096)
    most_looped: int = 512
    rounds: int = 7
    transitions: int = 32_768
    threads: int = 1
    device: str = "auto"
    clock: Clock = "wall"


def measure(options: Options) -> Part:
    """Steps per second for every number of slots."""
    use_threads(options.threads)
    device = check_device(options.device, "--device")
    rows = [_row(options, slots, device) for slots in options.slots]
    title = f"{options.puzzle}: steps per second, all slots together"
    note = "loop: SyncVectorEnv of the scalar environment, as gym.make_vec(id, vectorization_mode='sync') makes it."
    return Part("environment", title, rows, [note])


def _row(options: Options, slots: int, device: torch.device) -> dict[str, Value]:
    task = make_task(gym.spec(options.puzzle).kwargs["task"])
    common: dict[str, Any] = {"source": load_puzzles(task, num_puzzles=256), "augment": True}
    kinds: dict[str, dict[str, Any]] = {
        "native": {"device": device},
        "native, tensors": {"device": device, "array": "torch"},
        "loop": {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}},
    }
    if slots > options.most_looped:
        del kinds["loop"]
    calls, steps = {}, {}
    for name, kind in kinds.items():
        transitions = options.transitions // 50 if name == "loop" else options.transitions
        steps[name] = min(1000, max(2, transitions // slots))
        env = gym.make_vec(options.puzzle, num_envs=slots, **kind, **common)
        actions = _actions(task.spec.seq_len, task.spec.vocab_size, slots)
        calls[name] = _turn(env, [a.to(device) if "tensors" in name else a.numpy() for a in actions], steps[name])
    times = side_by_side(calls, options.rounds, device, options.clock)
    row: dict[str, Value] = {"slots": slots}
    row |= {f"{name}/s": steps[name] * slots / times.median(name) for name in calls}
    looped = "loop" in calls
    row |= {} if looped else {"loop/s": None}
    ratio = times.ratio("native", "loop") * steps["native"] / steps["loop"] if looped else None
    return row | {"native × loop": ratio}


def _actions(cells: int, tokens: int, slots: int) -> list[Tensor]:
    """Random answers and decisions."""
    generator = torch.Generator().manual_seed(0)
    return [
        pack(
            torch.randint(1, tokens, (slots, cells), generator=generator),
            torch.rand(slots, generator=generator) < HALTS,
        )
        for _ in range(ACTIONS)
    ]


def _turn(env: VectorEnv[Any, Any, Any], actions: list[Any], steps: int) -> Call:
    env.reset(seed=0)

    def turn() -> None:
        for step in range(steps):
            env.step(actions[step % len(actions)])

    return turn


def main() -> None:
    """Measures and prints."""
    print_part(measure(tyro.cli(Options)))


if __name__ == "__main__":
    main()
