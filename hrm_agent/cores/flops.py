"""Floating-point operations of a core: those of its matrix products, 2·m·n·k each, as torch counts them.

Embeddings, norms, rotations and activations count nothing, and neither does what a backward pass computes a second
time: dividing by the time and the machine's matrix-multiply rate gives the model FLOPs utilisation (MFU, arXiv
2204.02311, appendix B). They are counted on a copy of the core on torch's ``meta`` device, without memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hrm_agent.cores.core import ReasoningCore, SegmentOutput


def segment_flops(core: ReasoningCore, batch_size: int) -> int:
    """Returns the operations of a forward pass: one segment, its answer and its Q values."""
    twin = _meta_copy(core)
    with torch.no_grad():
        return _counted(lambda: _segment(twin, batch_size))


def training_flops(core: ReasoningCore, batch_size: int, q_bootstrap: str = "none") -> int:
    """Returns the operations of a training step: the segment, its backward pass, and the target of Q_continue.

    Args:
        core: The network.
        batch_size: Puzzles B.
        q_bootstrap: As in `LearnerConfig`; with ``"next-step"``, a step that is not a run's first.
    """
    twin = _meta_copy(core)

    def step() -> None:
        output = _segment(twin, batch_size)
        loss = output.logits.sum() + output.q_halt.sum() + output.q_continue.sum()
        if q_bootstrap == "next-step":  # backward to the weights alone: what the Q head reads is a stored value
            loss = loss + twin.q_values(output.q_input.detach())[1].sum()
        loss.backward()

    second_pass = segment_flops(core, batch_size) if q_bootstrap == "second-pass" else 0
    return _counted(step) + second_pass


def _meta_copy(core: ReasoningCore) -> ReasoningCore:
    with torch.device("meta"):
        twin = type(core)(core.shape, core.config)
    twin.cycles = core.cycles
    return twin


def _segment(core: ReasoningCore, batch_size: int) -> SegmentOutput:
    inputs = torch.zeros(batch_size, core.shape.seq_len, dtype=torch.long, device="meta")
    puzzle_id = torch.zeros(batch_size, dtype=torch.long, device="meta")
    output: SegmentOutput = core(core.initial_carry(batch_size), inputs, puzzle_id)
    return output


def _counted(run: Callable[[], object]) -> int:
    # fused attention would hide its products, and compute some of them a second time
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())
