"""What each change gained on a training step of the 27 M HRM, and where the time of the fastest goes.

    python -m benchmarks.profile_step                       # batch 32 on a CPU, 768 on CUDA
    python -m benchmarks.profile_step --rounds 0 --only eager   # a profile alone

Steps are timed by turns in one process. Every line of the table adds its change to those above it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, get_args
from unittest import mock

import torch
import tyro
from torch.profiler import ProfilerActivity, profile

from benchmarks.report import Part, Value, print_part
from benchmarks.timing import Call, Clock, side_by_side, training_turn, use_threads
from benchmarks.training_step import BATCH, our_agent
from benchmarks.training_step import Options as StepOptions
from hrm_agent.config import Precision

Change = Literal["baseline", "attention", "eager", "compiled", "next-step"]
CHANGES: tuple[Change, ...] = get_args(Change)


@dataclass(frozen=True)
class Options:
    """What to measure: "baseline" has torch's fused attention, and casts a weight at every use; "attention" multiplies
    attention out where our code does, which is on a CPU; "eager" casts a weight once a step; "compiled" compiles;
    "next-step" needs no second pass.

    Attributes:
        only: One of them; None for all, and the profile of the last.
        batch_size: Puzzles B; 0 for 32 on a CPU and 768 on CUDA.
        dtype: Precision of the activations.
        rounds: Turns of each, which the median is over; 0 for the profile alone.
        rows: Lines of the profile; 0 for none.
        threads: CPU threads; 0 for all cores.
        device: "cpu" or "cuda".
        clock: "wall", or "cpu" for the process's CPU time, on a machine that is busy with other work (with one thread).
    """  # noqa: D205

    only: Change | None = None
    batch_size: int = 0
    dtype: Precision = "bfloat16"
    rounds: int = 5
    rows: int = 20
    threads: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    clock: Clock = "wall"


def cast_at_every_use(*_: Any) -> AbstractContextManager[None]:
    """Stands in for `weights_cast_once`."""
    return nullcontext()


def step_with(change: Change, options: Options) -> Call:
    """A training step with a change and all those before it."""
    made = CHANGES.index(change)
    size = options.batch_size or BATCH[options.device]
    agent = our_agent(
        StepOptions(batch_size=size, dtype=options.dtype, device=options.device),
        "next-step" if made >= CHANGES.index("next-step") else "second-pass",
        compile=made >= CHANGES.index("compiled"),
    )
    turn = training_turn(agent, 1)

    def step() -> None:
        with ExitStack() as undone:
            if made < CHANGES.index("attention"):
                undone.enter_context(mock.patch("hrm_agent.cores.layers.SHORT_LENGTH", 0))
            if made < CHANGES.index("eager"):
                for user in ("hrm_agent.cores.hrm", "hrm_agent.learning.learner"):
                    undone.enter_context(mock.patch(f"{user}.weights_cast_once", cast_at_every_use))
            turn()

    return step


def gains(steps: dict[str, Call], options: Options) -> Part:
    """The table: each step's time, against the line above and against the first."""
    times = side_by_side(steps, options.rounds, options.device, options.clock)
    names = list(steps)
    rows: list[dict[str, Value]] = [
        {
            "step": name,
            "ms": 1e3 * times.median(name),
            "× line above": times.ratio(name, names[max(number - 1, 0)]),
            f"× {names[0]}": times.ratio(name, names[0]),
        }
        for number, name in enumerate(names)
    ]
    return Part("profile", f"27 M HRM, {options.device}, {options.dtype}", rows)


def profiled(step: Call, options: Options) -> str:
    """The profiler's table of two steps, the costliest operators first."""
    cuda = options.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    step()
    with profile(activities=activities) as found:
        step()
        step()
    order = "self_cuda_time_total" if cuda else "self_cpu_time_total"
    return str(found.key_averages().table(sort_by=order, row_limit=options.rows, max_name_column_width=50))


def main() -> None:
    """Prints the gains and the profile."""
    options = tyro.cli(Options)
    use_threads(options.threads)
    chosen = CHANGES if options.only is None else (options.only,)
    steps: dict[str, Call] = {change: step_with(change, options) for change in chosen}
    if options.rounds:
        print_part(gains(steps, options))
    if options.rows:
        print(profiled(steps[chosen[-1]], options))


if __name__ == "__main__":
    main()
