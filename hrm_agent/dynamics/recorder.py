"""The hidden states of every inner step of any core, taken by hooks on the modules that compute them.

A core names these modules and their order in `ReasoningCore.inner_steps`. Nothing of its code path changes: the outputs
with and without hooks are equal bit for bit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_agent.cores.carry import Carry, carry_parts
from hrm_agent.cores.core import ReasoningCore, SegmentOutput

MEMORY = 2**30
"""Bytes of states beyond which `record` keeps them in a file."""

Change: TypeAlias = Callable[[int, str, Tensor, Tensor], Tensor]
"""What to put in place of a new value: (number of the inner step, name of the state, value before, new value)."""


class Step(NamedTuple):
    """One inner step.

    Attributes:
        state: Name of the state that it has changed.
        before: The value that this state had, ``(B, ..., D)``; without one the input of the module that is of the same
            shape, or None.
        value: Its new value, ``(B, ..., D)``.
    """

    state: str
    before: Tensor | None
    value: Tensor


class Segment(NamedTuple):
    """The inner steps of a segment in their order, and what the segment gave."""

    steps: list[Step]
    output: SegmentOutput


@contextmanager
def hooked(core: ReasoningCore, carry: Carry, change: Change | None = None) -> Iterator[list[Step]]:
    """Appends, within, every inner step of one segment to the list that it gives.

    Args:
        core: The network.
        carry: The states before the segment.
        change: Replaces new values, for `hrm_agent.dynamics.interventions`; the core goes on with what it returns.

    Raises:
        ValueError: The core names no inner steps.
    """
    order = core.inner_steps()
    if not order:
        raise ValueError(f"core: expected one that names its inner steps, found {core.config.name!r}")
    states, steps = carry_parts(carry), list[Step]()

    def hook(_: torch.nn.Module, given: tuple[Any, ...], value: Tensor) -> Tensor | None:
        number, name = len(steps), order[len(steps)].state
        inputs = (each for each in given if isinstance(each, Tensor) and each.shape == value.shape)
        before, changed = states[name] if name in states else next(inputs, None), None
        if change is not None and before is not None:
            changed = value = change(number, name, before, value)
        states[name] = value
        steps.append(Step(name, before, value))
        return changed

    handles = [module.register_forward_hook(hook) for module in {step.module for step in order}]
    try:
        yield steps
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def inner_states(
    core: ReasoningCore, inputs: Tensor, puzzle_id: Tensor, count: int, change: Change | None = None
) -> Iterator[Segment]:
    """Yields the segments of an episode without halting, one at a time, so that memory holds one.

    Each has ``steps``, its inner steps in their order, and ``output``, what it gave. A step has the name of the
    ``state`` that it changed, the value ``before``, and its new ``value``, ``(B, ..., D)``.

    Args:
        core: The network.
        inputs: The puzzles, ``(B, L)`` int64.
        puzzle_id: Their rows of the puzzle embedding, ``(B,)`` int64.
        count: Number of segments.
        change: Replaces new values, which the core then goes on with: it takes the number of the inner step, from the
            episode's first one, the name of the state, its value before and its new value.

    Raises:
        ValueError: The core names no inner steps.
    """
    carry, before = core.initial_carry(len(inputs)), 0

    def of_episode(number: int, name: str, old: Tensor, new: Tensor) -> Tensor:
        assert change is not None
        return change(before + number, name, old, new)

    for _ in range(count):
        with hooked(core, carry, change and of_episode) as steps:
            output = core(carry, inputs, puzzle_id)
        yield Segment(steps, output)
        carry, before = output.carry, before + len(steps)


def record(
    core: ReasoningCore, inputs: Tensor, puzzle_id: Tensor, count: int, states: Sequence[str] | None = None
) -> dict[str, npt.NDArray[np.float32]]:
    """Records the states of all inner steps of an episode without halting.

    More than `MEMORY` bytes are kept in a temporary file, which numpy maps into memory and which ends with the arrays.

    Args:
        core: The network.
        inputs: The puzzles, ``(B, L)`` int64.
        puzzle_id: Their rows of the puzzle embedding, ``(B,)`` int64.
        count: Number of segments.
        states: Names of the states; all unless given.

    Returns:
        For each state its values in their order, ``(steps, B, ..., D)`` float32.
    """
    found: dict[str, npt.NDArray[np.float32]] = {}
    filled: dict[str, int] = {}
    order = [step.state for step in core.inner_steps()]
    for segment in inner_states(core, inputs, puzzle_id, count):
        for name, _, value in segment.steps:
            if states is not None and name not in states:
                continue
            if name not in found:
                found[name], filled[name] = _space((count * order.count(name), *value.shape)), 0
            found[name][filled[name]] = value.float().cpu().numpy()
            filled[name] += 1
    return found


def _space(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if 4 * int(np.prod(shape)) <= MEMORY:
        return np.empty(shape, dtype=np.float32)
    return np.memmap(tempfile.TemporaryFile(), dtype=np.float32, shape=shape)
