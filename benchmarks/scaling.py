"""A training step on several processes, in turns with one process: what communication costs, and what the model says.

    torchrun --nproc-per-node 2 -m benchmarks.scaling --size small --batch-size 64

Each turn times, on rank 0: the whole batch on one process while the others wait; each rank's share without any
communication; the same with `DistributedDataParallel`; the same with one all-reduce of all gradients after backward;
and that all-reduce alone. The prediction is `benchmarks.scaling_model`'s, from the second and the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
import tyro

from benchmarks.report import Part, Value, print_part
from benchmarks.scaling_model import step_seconds
from benchmarks.timing import Times, side_by_side, use_threads
from hrm_agent import halting
from hrm_agent.config import Precision
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.distributed import own_device, process_group, rank, world_size
from hrm_agent.learning.config import LearnerConfig
from hrm_agent.learning.learner import Learner
from hrm_env.devices import check_device
from hrm_env.task import PuzzleBatch

Size = Literal["small", "5m", "27m"]
SIZES: dict[Size, dict[str, Any]] = {
    "small": {"core": "hrm", "hidden_size": 128, "num_heads": 4, "expansion": 2.0, "h_layers": 1, "l_layers": 1},
    "5m": {"core": "trm"},
    "27m": {"core": "hrm"},
}
SHAPE = PuzzleShape(seq_len=81, vocab_size=11)
Run = Callable[[], None]


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        size: The core: the small presets', TRM's or HRM's own.
        batch_size: Puzzles in a step, over all ranks.
        dtype: Precision of the activations.
        rounds: Turns of each, which the median is over.
        steps: Training steps in a turn.
        threads: CPU threads of each rank.
        device: "auto", "cpu" or "cuda".
    """

    size: Size = "small"
    batch_size: int = 64
    dtype: Precision = "bfloat16"
    rounds: int = 7
    steps: int = 4
    threads: int = 1
    device: str = "auto"


def measure(options: Options, device: torch.device) -> tuple[Times, int]:
    """Seconds of every kind of step as this rank saw them, and the number of parameters that are reduced."""
    share = options.batch_size // world_size()
    alone, apart, flat = (_learner(options, device, together=False) for _ in range(3))
    together = _learner(options, device, together=True)
    flat.optimizers[0].register_step_pre_hook(lambda *_: _all_reduce(flat))
    gradient = torch.zeros(sum(p.numel() for p in together.dense), device=device)

    def all_reduce() -> None:
        for _ in range(options.steps):
            dist.all_reduce(gradient)

    whole = _steps(alone, options.batch_size, options, device)
    calls: dict[str, Run] = {
        "one process": whole if rank() == 0 else lambda: None,
        "share, no communication": _steps(apart, share, options, device),
        "DistributedDataParallel": _steps(together, share, options, device),
        "one all-reduce at the end": _steps(flat, share, options, device),
        "all-reduce alone": all_reduce,
    }
    times = side_by_side({name: _at_once(call) for name, call in calls.items()}, options.rounds, device)
    return times, len(gradient)


def _learner(options: Options, device: torch.device, together: bool) -> Learner:
    """A learner of the chosen core, on its own or together with the other ranks."""
    torch.manual_seed(0)
    core = make_core(SHAPE, **SIZES[options.size], dtype=options.dtype).to(device)
    learner = Learner(core, halting.make("q-compare"), 16, LearnerConfig(q_bootstrap="next-step"))
    if not together:
        learner._forward, learner.sparse = core, []
    return learner


def _steps(learner: Learner, batch_size: int, options: Options, device: torch.device) -> Run:
    """A turn of training steps on puzzles of this rank's own."""
    generator = torch.Generator().manual_seed(rank())
    solution = torch.randint(2, SHAPE.vocab_size, (batch_size, SHAPE.seq_len), generator=generator).to(device)
    puzzle_id = torch.zeros(batch_size, dtype=torch.long, device=device)
    batch, segment = PuzzleBatch(solution, solution, puzzle_id), puzzle_id + 1

    def run() -> None:
        carry = learner.core.initial_carry(batch_size)
        for _ in range(options.steps):
            carry = learner.step(carry, batch, segment).carry

    return run


def _all_reduce(learner: Learner) -> None:
    """The mean over ranks of all gradients, in one piece."""
    grads = [p.grad for p in learner.dense if p.grad is not None]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    flat /= world_size()
    for grad, mean in zip(grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
        grad.copy_(mean.view_as(grad))


def _at_once(call: Run) -> Run:
    """The call, begun and ended by all ranks together."""

    def run() -> None:
        dist.barrier()
        call()
        dist.barrier()

    return run


def report(options: Options, times: Times, parameters: int) -> Part:
    """The medians a step, and the step that the model predicts of its parts."""
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


def main() -> None:
    """Measures under torchrun; rank 0 prints."""
    options = tyro.cli(Options)
    use_threads(options.threads)
    device = own_device(check_device(options.device, "--device"))
    with process_group(device):
        if world_size() == 1:
            raise SystemExit("benchmarks.scaling: expected torchrun --nproc-per-node 2 or more, found one process")
        times, parameters = measure(options, device)
        if rank() == 0:
            print_part(report(options, times, parameters))


if __name__ == "__main__":
    main()
