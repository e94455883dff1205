"""A training step on several processes, in turns with one process: what communication costs, and what the model says.

    torchrun --nproc-per-node 2 -m benchmarks.scaling --size small --batch-size 64

Each turn times, on rank 0: the whole batch on one process while the others wait; each rank's share without any
communication; the same with `DistributedDataParallel`; the same with one all-reduce of all gradients after backward;
and that all-reduce alone. The prediction is `benchmarks.scaling_model`'s, from the second and the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist

from benchmarks.options import Count, TimedOptions, run
from benchmarks.report import Part, Value
from benchmarks.scaling_model import step_seconds
from benchmarks.timing import Call, Times, learner_turn, side_by_side
from hrm_agent import halting
from hrm_agent.config import LearnerConfig, Precision
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.distributed import own_device, process_group, rank, world_size
from hrm_agent.learning.learner import Learner
from train.options import Threads

Size = Literal["small", "5m", "27m"]
SIZES: dict[Size, dict[str, Any]] = {
    "small": {"core": "hrm", "hidden_size": 128, "num_heads": 4, "expansion": 2.0, "h_layers": 1, "l_layers": 1},
    "5m": {"core": "trm"},
    "27m": {"core": "hrm"},
}
SHAPE = PuzzleShape(seq_len=81, vocab_size=11)


@dataclass(frozen=True, kw_only=True)
class Options(TimedOptions):
    """What to measure.

    Attributes:
        size: The core: that of the small presets, TRM or HRM.
        batch_size: Puzzles in a step, over all ranks.
        dtype: Precision of the activations.
        steps: Training steps in a turn.
    """

    threads: Threads = 1  # of each rank
    size: Size = "small"
    batch_size: Count = 64
    dtype: Precision = "bfloat16"
    steps: Count = 4


def timed(options: Options, device: torch.device) -> tuple[Times, int]:
    """Returns the seconds of every kind of step on this rank, and the number of parameters that are reduced."""
    share = options.batch_size // world_size()
    alone, apart, flat = (_learner(options, device, together=False) for _ in range(3))
    together = _learner(options, device, together=True)
    flat.optimizers[0].register_step_pre_hook(lambda *_: _all_reduce(flat))
    gradient = torch.zeros(sum(p.numel() for p in together.dense), device=device)

    def all_reduce() -> None:
        for _ in range(options.steps):
            dist.all_reduce(gradient)

    whole = learner_turn(alone, options.batch_size, options.steps)
    calls: dict[str, Call] = {
        "one process": whole if rank() == 0 else lambda: None,
        "share, no communication": learner_turn(apart, share, options.steps, rank()),
        "DistributedDataParallel": learner_turn(together, share, options.steps, rank()),
        "one all-reduce at the end": learner_turn(flat, share, options.steps, rank()),
        "all-reduce alone": all_reduce,
    }
    times = side_by_side({name: _at_once(call) for name, call in calls.items()}, options.rounds, device, options.clock)
    return times, len(gradient)


def _learner(options: Options, device: torch.device, together: bool) -> Learner:
    """Returns a learner of the chosen core, on its own or together with the other ranks."""
    torch.manual_seed(0)
    core = make_core(SHAPE, **SIZES[options.size], dtype=options.dtype).to(device)
    learner = Learner(core, halting.make("q-compare"), 16, LearnerConfig(q_bootstrap="next-step"))
    if not together:
        learner._forward, learner.sparse = core, []
    return learner


def _all_reduce(learner: Learner) -> None:
    """Averages all gradients over the ranks, in one piece."""
    grads = [p.grad for p in learner.dense if p.grad is not None]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    flat /= world_size()
    for grad, mean in zip(grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
        grad.copy_(mean.view_as(grad))


def _at_once(call: Call) -> Call:
    """Returns the call, begun and ended by all ranks together."""

    def together() -> None:
        dist.barrier()
        call()
        dist.barrier()

    return together


def compared(options: Options, times: Times, parameters: int) -> Part:
    """Returns the medians of a step, and the step that the model predicts from its parts."""
    taken = {name: times.median(name) / options.steps for name in times.rounds}
    compute, reduce = taken["share, no communication"], taken["all-reduce alone"]
    predicted = step_seconds(compute, reduce, overlap=0.0)
    rows: list[dict[str, Value]] = [
        {"step": name, "ms": 1e3 * value, "speed-up": taken["one process"] / value}
        for name, value in [*taken.items(), ("predicted, no overlap", predicted)]
    ]
    title = (
        f"{options.size} core, {parameters:,} parameters ({options.dtype}), batch {options.batch_size} "
        f"over {world_size()} ranks of {options.threads} threads"
    )
    found = taken["DistributedDataParallel"]
    notes = [
        f"all-reduce: {4e-6 * parameters / reduce:,.0f} MB/s of gradient; DDP took {found / predicted:.2f} times as "
        f"long as predicted, and {found / taken['one all-reduce at the end']:.2f} times as long as one all-reduce"
    ]
    return Part("scaling", title, rows, notes)


def measure(options: Options) -> Iterator[Part]:
    """Measures under torchrun; yields the table on rank 0.

    Raises:
        ValueError: There is one process.
    """
    device = own_device(options.prepare())
    with process_group(device):
        if world_size() == 1:
            raise ValueError("benchmarks.scaling: expected torchrun --nproc-per-node 2 or more, found one process")
        times, parameters = timed(options, device)
        if rank() == 0:
            yield compared(options, times, parameters)


if __name__ == "__main__":
    run(Options, measure)
