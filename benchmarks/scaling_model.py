"""A cost model of a training step on many GPUs, and the plan that it gives for 8 GPUs and for 64 nodes of 8.

    python -m benchmarks.scaling_model

The step of R ranks on B puzzles each is compute(B) plus what of the gradient's all-reduce does not hide behind the
backward pass. Compute is the formula's FLOPs at an assumed share of the peak, plus a fixed cost a step (kernel
launches, optimizer), which only a GPU can tell. docs/scaling.md gives the source of each number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from benchmarks.options import run
from benchmarks.report import Part, Value
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.cores.flops import segment_flops, training_flops
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.learning.optim import split_parameters

SUDOKU = PuzzleShape(seq_len=81, vocab_size=11)


@dataclass(frozen=True)
class Machine:
    """GPUs in nodes.

    Attributes:
        peak: bfloat16 matrix-multiply FLOP/s of a GPU.
        mfu: Share of the peak that a step reaches.
        fixed: Seconds of a step that do not depend on the batch.
        gpus: GPUs of a node.
        link: Bytes/s that a GPU sends to its neighbours in the node.
        network: Bytes/s that a GPU sends to other nodes.
        latency: Seconds of a message in the node, and between nodes.
    """

    peak: float = 989e12
    mfu: float = 0.40
    fixed: float = 5e-3
    gpus: int = 8
    link: float = 450e9
    network: float = 50e9
    latency: tuple[float, float] = (3e-6, 10e-6)


def ring_seconds(size: float, ranks: int, bandwidth: float, latency: float) -> float:
    """Returns the seconds of an all-reduce of ``size`` bytes in a ring: 2(R-1) messages of size/R each.

    Source: Patarasuk and Yuan, 2009.
    """
    return 2 * (ranks - 1) * (size / ranks / bandwidth + latency)


def all_reduce_seconds(size: float, machine: Machine, nodes: int) -> float:
    """Returns the seconds of an all-reduce in two levels: a ring within the node, then a tree of nodes for each eighth.

    Args:
        size: Bytes.
        machine: The GPUs.
        nodes: Number of nodes.
    """
    inside = ring_seconds(size, machine.gpus, machine.link, machine.latency[0])
    share = 2 * (nodes - 1) / nodes * size / machine.gpus / machine.network
    return inside + share + 2 * math.ceil(math.log2(nodes)) * machine.latency[1]


def step_seconds(compute: float, all_reduce: float, overlap: float) -> float:
    """Returns the seconds of a step whose all-reduce hides behind ``overlap`` seconds of the backward pass."""
    return compute + max(0.0, all_reduce - overlap)


@dataclass(frozen=True)
class Model:
    """The cost of a core.

    Attributes:
        parameters: Number of parameters with dense gradients, in float32.
        flops: Operations of a training step, per puzzle.
        backward: Share of the backward pass in them.
    """

    parameters: int
    flops: float
    backward: float

    @classmethod
    def of(cls, core: str, **options: str) -> Model:
        """Returns the cost of a core on 9x9 Sudoku, with the "next-step" target."""
        with torch.device("meta"):
            made = make_core(SUDOKU, core, **options)
        assert isinstance(made, HRMCore)
        table = sum(p.numel() for p in split_parameters(made)[1])
        flops = training_flops(made, 1, "next-step")
        return cls(sum(p.numel() for p in made.parameters()) - table, flops, 1 - segment_flops(made, 1) / flops)

    def step(self, batch: float, machine: Machine, nodes: float) -> float:
        """Returns the seconds of a step of ``batch`` puzzles a GPU; less than one node means a single GPU.

        The weights of H and L are used at every step of the recurrence, so their gradients are complete only where the
        backward pass leaves its last use of a layer: half of it is what the all-reduce can hide behind.
        """
        busy = batch * self.flops / (machine.peak * machine.mfu)
        reduce = all_reduce_seconds(4 * self.parameters, machine, int(nodes)) if nodes >= 1 else 0.0
        return step_seconds(busy + machine.fixed, reduce, overlap=0.5 * self.backward * busy)


MODELS = {"27 M HRM": ("hrm", {}), "5 M TRM": ("trm", {"mixer": "mlp"})}


def plan(machine: Machine) -> list[Part]:
    """Returns for each core the step of R GPUs at the paper's batch of 768, and at a batch that grows with them."""
    parts = []
    for name, (core, options) in MODELS.items():
        model = Model.of(core, **options)
        alone = model.step(768, machine, 0)
        rows: list[dict[str, Value]] = []
        for gpus in (1, 8, 64, 512):
            nodes = gpus / machine.gpus
            reduce = all_reduce_seconds(4 * model.parameters, machine, int(nodes)) if gpus > 1 else 0.0
            shared, grown = model.step(768 / gpus, machine, nodes), model.step(768, machine, nodes)
            rows.append(
                {
                    "GPUs": str(gpus),
                    "all-reduce: ms": 1e3 * reduce,
                    "768: ms": 1e3 * shared,
                    "speed-up": alone / shared,
                    "768 each: ms": 1e3 * grown,
                    "puzzles/s": 768 * gpus / grown,
                }
            )
        few, many = pays_from(model, machine, 1), pays_from(model, machine, 64)
        note = f"80 % of a step grows with the batch from {few} puzzles a GPU on one node, {many} on 64."
        title = f"{name}: {model.parameters:,} dense parameters, {model.flops / 1e9:.1f} GFLOP"
        parts.append(Part("plan", title, rows, [note]))
    return parts


def pays_from(model: Model, machine: Machine, nodes: int, share: float = 0.8) -> int:
    """Returns the smallest batch a GPU at which ``share`` of a step's time grows with the batch."""
    each = model.flops / (machine.peak * machine.mfu)
    return next(batch for batch in range(1, 100_000) if batch * each >= share * model.step(batch, machine, nodes))


if __name__ == "__main__":
    run(Machine, plan)
