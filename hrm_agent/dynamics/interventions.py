"""Causal tests: a state is changed at some inner steps, and the answers are compared with those without."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.cores.hrm import HRMCarry, HRMCore
from hrm_agent.dynamics.recorder import Change, inner_states

Intervention = Callable[[Tensor, Tensor], Tensor]
"""Returns the value to put in place of a new one: (value before, new value), ``(B, ..., D)`` each."""


def freeze(before: Tensor, value: Tensor) -> Tensor:
    """Keeps the value before: the step has no effect."""
    return before


def shuffle(before: Tensor, value: Tensor) -> Tensor:
    """Gives each puzzle the new value of the puzzle before it in the batch."""
    return value.roll(1, dims=0)


class Noise:
    """Adds Gaussian noise to a new value.

    Args:
        scale: Standard deviation, in units of the value's root mean square.
        seed: Seed of the noise.
    """

    def __init__(self, scale: float, seed: int = 0) -> None:
        self.scale, self.generator = scale, torch.Generator().manual_seed(seed)

    def __call__(self, before: Tensor, value: Tensor) -> Tensor:
        """Returns the value with noise."""
        noise = torch.randn(value.shape, generator=self.generator).to(value)
        return value + self.scale * value.float().square().mean().sqrt().to(value) * noise


def at(intervention: Intervention, state: str, steps: Collection[int] | None = None) -> Change:
    """Returns a change that intervenes on one state, at some inner steps of the episode or, with None, at all."""

    def change(number: int, name: str, before: Tensor, value: Tensor) -> Tensor:
        return intervention(before, value) if name == state and (steps is None or number in steps) else value

    return change


@contextmanager
def time_scales_swapped(core: HRMCore) -> Iterator[None]:
    """Makes H, within, take T steps in every cycle, and L one at the end of it; weights and inputs stay as they are."""

    def think(carry: HRMCarry, x: Tensor) -> tuple[HRMCarry, Tensor]:
        z_h, z_l = carry
        cycles, steps = core.cycles
        for _ in range(cycles):
            for _ in range(steps):
                z_h = core.h_module(z_h, z_l)
            z_l = core.l_module(z_l, z_h + x)
        return HRMCarry(z_h, z_l), z_h

    core.think = think  # type: ignore[method-assign]
    try:
        yield
    finally:
        del core.think


class Effect(NamedTuple):
    """Accuracy of each puzzle after each of S segments, ``(S, B)`` bool each.

    Attributes:
        unchanged: Without the intervention.
        changed: With it.
    """

    unchanged: Tensor
    changed: Tensor

    @property
    def cost(self) -> Tensor:
        """Accuracy that the intervention costs after each segment, ``(S,)``."""
        return self.unchanged.float().mean(1) - self.changed.float().mean(1)


def effect(
    core: ReasoningCore, inputs: Tensor, puzzle_id: Tensor, solution: Tensor, count: int, change: Change
) -> Effect:
    """Runs the same episodes with and without an intervention.

    Args:
        core: The network.
        inputs: The puzzles, ``(B, L)`` int64.
        puzzle_id: Their rows of the puzzle embedding, ``(B,)`` int64.
        solution: The solutions, ``(B, L)`` int64.
        count: Number of segments.
        change: Such as ``at(freeze, "z_l", steps={3})``.
    """
    runs = (inner_states(core, inputs, puzzle_id, count, each) for each in (None, change))
    right = ([(segment.output.logits.argmax(-1) == solution).all(-1) for segment in run] for run in runs)
    return Effect(*(torch.stack(each) for each in right))
