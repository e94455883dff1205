"""What each change gained on a training step of the 27 M HRM, and where the time of the fastest goes.

    python -m benchmarks.profile_step                       # batch 32 on a CPU, 768 on CUDA
    python -m benchmarks.profile_step --rounds 0 --only eager   # a profile alone

Steps are timed by turns in one process. Every line of the table adds its change to those above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.options import TimedOptions, run
from benchmarks.report import Part, Value
from benchmarks.timing import Call, side_by_side, training_turn
from benchmarks.training_step import BATCH, our_agent
from benchmarks.training_step import Options as StepOptions
from hrm_agent.config import Precision
from train.options import integer

Change = Literal["baseline", "attention", "eager", "compiled", "next-step"]
CHANGES: tuple[Change, ...] = get_args(Change)


@dataclass(frozen=True, kw_only=True)
class Options(TimedOptions):
    """What to measure: "baseline" has torch's fused attention, and casts a weight at every use; "attention" multiplies
    attention out where our code does, which is on a CPU; "eager" casts a weight once a step; "compiled" compiles;
    "next-step" needs no second pass.

    Attributes:
        only: One of them; None for all, and the profile of the last.
        batch_size: Puzzles B; 0 for 32 on a CPU and 768 on CUDA.
        dtype: Precision of the activations.
        rounds: Turns of each step; 0 for the profile alone.
        rows: Lines of the profile; 0 for none.
    """  # noqa: D205

    rounds: Annotated[int, integer(0)] = 5
    only: Change | None = None
    batch_size: Annotated[int, integer(0)] = 0
    dtype: Precision = "bfloat16"
    rows: Annotated[int, integer(0)] = 20


def cast_at_every_use(*_: Any) -> AbstractContextManager[None]:
    """Stands in for `weights_cast_once`."""
    return nullcontext()


def step_with(change: Change, options: Options) -> Call:
    """Returns a training step with a change and all those before it."""
    made = CHANGES.index(change)
    agent = our_agent(
        StepOptions(batch_size=options.batch_size, dtype=options.dtype, device=options.device),
        "next-step" if made >= CHANGES.index("next-step") else "second-pass",
        compile=made >= CHANGES.index("compiled"),
    )
    turn = training_turn(agent, 1)

    def step() -> None:
        with ExitStack() as undone:
            if made < CHANGES.index("attention"):
                undone.enter_context(mock.patch("hrm_agent.cores.layers.SHORT_LENGTH", 0))
            if made < CHANGES.index("eager"):
                undone.enter_context(mock.patch("hrm_agent.cores.hrm.weights_cast_once", cast_at_every_use))
            turn()

    return step


def gains(steps: dict[str, Call], options: Options) -> Part:
    """Times the steps, each against the line above and against the first."""
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


def profiled(step: Call, rows: int, device: torch.device) -> str:
    """Returns the profiler's table of two steps, the costliest operators first."""
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    step()
    with profile(activities=activities) as found:
        step()
        step()
    order = "self_cuda_time_total" if cuda else "self_cpu_time_total"
    return str(found.key_averages().table(sort_by=order, row_limit=rows, max_name_column_width=50))


def measure(options: Options) -> Iterator[Part]:
    """Yields the gains, then prints the profile."""
    device = options.prepare()
    options = replace(options, device=str(device), batch_size=options.batch_size or BATCH[device.type])
    chosen = CHANGES if options.only is None else (options.only,)
    steps: dict[str, Call] = {change: step_with(change, options) for change in chosen}
    if options.rounds:
        yield gains(steps, options)
    if options.rows:
        print(profiled(steps[chosen[-1]], options.rows, device))


if __name__ == "__main__":
    run(Options, measure)
