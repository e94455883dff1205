"""Floating-point operations of a core by formula: those of its matrix products, 2·m·n·k each.

Embeddings, norms, rotations and activations count nothing, and neither does what a backward pass computes a second
time: dividing by the time and the machine's matrix-multiply rate gives the model FLOPs utilisation (MFU, arXiv
2204.02311, appendix B).
"""

from __future__ import annotations

from torch import nn

from hrm_agent.cores.hrm import HRMCore
from hrm_agent.cores.layers import Attention, Block, Linear


def segment_flops(core: HRMCore, batch_size: int) -> int:
    """One forward pass of a segment: N·T fast steps, N slow ones, the answer and the Q values."""
    cycles, steps = core.cycles
    return _cycle_flops(core, batch_size, cycles, steps) + _head_flops(core, batch_size)


def training_flops(core: HRMCore, batch_size: int, q_bootstrap: str = "none") -> int:
    """One training step: the segment, the backward pass of the steps that have one, and Q_continue's target.

    A backward pass costs twice the forward pass: a product each for the gradient of both factors.

    Args:
        core: The network.
        batch_size: Puzzles B.
        q_bootstrap: As in `LearnerConfig`; with ``"next-step"``, a step that is not a run's first.
    """
    cycles, steps = core.cycles
    with_gradient = {"one-step": (1, 1), "last-cycle": (1, steps), "full": (cycles, steps)}[core.config.gradient]
    backward = 2 * (_cycle_flops(core, batch_size, *with_gradient) + _head_flops(core, batch_size))
    q_head = 2 * batch_size * core.q_weight.numel()
    bootstrap = {
        "second-pass": segment_flops(core, batch_size),
        "next-step": 2 * q_head,  # forward, and backward to the weights alone: what it reads is a stored value
        "none": 0,
    }[q_bootstrap]
    return segment_flops(core, batch_size) + backward + bootstrap


def _cycle_flops(core: HRMCore, batch_size: int, cycles: int, steps: int) -> int:
    """So many cycles of so many fast steps and a slow one."""
    fast, slow = (_module_flops(core, module, batch_size) for module in (core.l_module, core.h_module))
    return cycles * (steps * fast + slow)


def _module_flops(core: HRMCore, module: nn.Module, batch_size: int) -> int:
    """One step of H or L: every weight once for each vector it maps, and attention's two products."""
    dim, length = core.config.hidden_size, core.config.puzzle_positions + core.shape.seq_len
    flops = 0
    for block in module.modules():
        if isinstance(block, Block):
            attends = isinstance(block.mixer, Attention)
            vectors = length if attends else dim  # an MLP mixer maps the L positions of each of D features
            flops += 2 * (vectors * _weights(block.mixer) + length * _weights(block.feed_forward))
            flops += 2 * (2 * length * length * dim) if attends else 0
    return batch_size * flops


def _weights(module: nn.Module) -> int:
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, Linear))


def _head_flops(core: HRMCore, batch_size: int) -> int:
    return 2 * batch_size * (core.shape.seq_len * core.answer_head.weight.numel() + core.q_weight.numel())
