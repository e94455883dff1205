"""Signals of a segment, one number for each row: the only input of halting rules, traces and HRM-Halting-v0.

Because a rule reads nothing else, its decisions can be replayed exactly from recorded signals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.cores.carry import Carry, fast_state, slow_state
from hrm_agent.cores.core import SegmentOutput
from hrm_agent.halting.probabilities import LOG_PROBABILITIES
from hrm_env.checks import check_choice
from hrm_env.envs.grading import exact_match
from hrm_env.task import PAD_ID, PuzzleTask


@dataclass
class SignalInput:
    """Everything observable after a segment of a batch of B rows.

    Attributes:
        output: Output of the segment.
        before: Hidden state before the segment.
        last_logits: Answer logits of the previous segment, ``(B, L, V)``; None at the first.
        start: Rows whose episode began with this segment, ``(B,)`` bool.
        inputs: The puzzles, ``(B, L)``.
        solution: Their solutions, ``(B, L)``; None if they are unknown.
        task: The puzzle family; None if it is unknown.
        probabilities: How logits become probabilities, a name of `LOG_PROBABILITIES`.
    """

    output: SegmentOutput
    before: Carry
    last_logits: Tensor | None
    start: Tensor
    inputs: Tensor
    solution: Tensor | None = None
    task: PuzzleTask | None = None
    probabilities: str = "softmax"

    @cached_property
    def answer(self) -> Tensor:
        """The most probable tokens, ``(B, L)``."""
        return self.output.logits.argmax(-1)

    @cached_property
    def log_probs(self) -> Tensor:
        """Logarithms of p^m, ``(B, L, V)``."""
        return LOG_PROBABILITIES[self.probabilities](self.output.logits)

    @cached_property
    def previous_log_probs(self) -> Tensor:
        """Logarithms of p^{m−1}, ``(B, L, V)``; p^0 gives all tokens the same probability."""
        return LOG_PROBABILITIES[self.probabilities](self.previous_logits)

    @cached_property
    def previous_logits(self) -> Tensor:
        """Logits of the previous segment, ``(B, L, V)``; zeros, which make all tokens equally probable, at m = 1."""
        if self.last_logits is None:
            return torch.zeros_like(self.output.logits)
        return torch.where(self.start.view(-1, 1, 1), 0.0, self.last_logits)

    @cached_property
    def cells(self) -> Tensor:
        """Cells of the answer as far as they are known without the solution, ``(B, L)`` bool.

        `PuzzleTask.answer_cells` determines them: the puzzle's own cells, or for ARC the grid that the answer draws,
        whose size may differ from the input's.
        """
        return self._cells_of(self.answer)

    @cached_property
    def cells_so_far(self) -> Tensor:
        """Union of the cells of this answer and of the previous one, ``(B, L)`` bool."""
        before = self._cells_of(self.previous_logits.argmax(-1))
        return self.cells | (before & ~self.start.unsqueeze(-1))

    def mean_over_cells(self, values: Tensor, cells: Tensor | None = None) -> Tensor:
        """Returns the mean of ``values (B, L)`` over ``cells (B, L)`` bool, by default `cells`: ``(B,)``."""
        cells = self.cells if cells is None else cells
        return (values * cells).sum(-1) / cells.sum(-1).clamp(min=1)

    def _cells_of(self, answer: Tensor) -> Tensor:
        return self.inputs != PAD_ID if self.task is None else self.task.answer_cells(self.inputs, answer)


def q_halt(seen: SignalInput) -> Tensor:
    """Logit of halting."""
    return seen.output.q_halt


def q_continue(seen: SignalInput) -> Tensor:
    """Logit of continuing."""
    return seen.output.q_continue


def entropy(seen: SignalInput) -> Tensor:
    """Mean over cells of −Σ p ln p, in nats."""
    return seen.mean_over_cells(-(seen.log_probs.exp() * seen.log_probs).sum(-1))


def margin(seen: SignalInput) -> Tensor:
    """Minimum over cells of p(first choice) − p(second choice)."""
    top = seen.log_probs.topk(2, dim=-1).values.exp()
    return (top[..., 0] - top[..., 1]).masked_fill(~seen.cells, 1.0).amin(-1)


def kl(seen: SignalInput) -> Tensor:
    """Mean over `cells_so_far` of KL(p^{m−1} ‖ p^m), in nats; p^0 gives all tokens the same probability."""
    before = seen.previous_log_probs
    return seen.mean_over_cells((before.exp() * (before - seen.log_probs)).sum(-1), seen.cells_so_far)


def changed(seen: SignalInput) -> Tensor:
    """Share of `cells_so_far` whose most probable token differs from that of the previous segment; 1 at m = 1."""
    other = seen.answer != seen.previous_logits.argmax(-1)
    return torch.where(seen.start, 1.0, seen.mean_over_cells(other.float(), seen.cells_so_far))


def residual_h(seen: SignalInput) -> Tensor:
    """‖z_H^m − z_H^{m−1}‖ / ‖z_H^m‖ of the slow state, over all positions; z^0 is the start state."""
    return _residual(slow_state(seen.output.carry), slow_state(seen.before))


def residual_l(seen: SignalInput) -> Tensor:
    """‖z_L^m − z_L^{m−1}‖ / ‖z_L^m‖ of the fast state, over all positions; z^0 is the start state."""
    return _residual(fast_state(seen.output.carry), fast_state(seen.before))


def cosine(seen: SignalInput) -> Tensor:
    """Mean over positions of cos(z_H^m, z_H^{m−1}) of the slow state; z^0 is the start state."""
    now, before = _by_position(seen.output.carry), _by_position(seen.before)
    return F.cosine_similarity(now, before, dim=-1).mean(-1)


def valid(seen: SignalInput) -> Tensor:
    """1 where the answer solves the puzzle by the task's own rules, else 0; reads no solution."""
    if seen.task is None:
        raise ValueError(
            'halting: "verifier" needs the rules of the puzzle, and this environment does not name its task'
        )
    return seen.task.check(seen.inputs, seen.answer).float()


def correct(seen: SignalInput) -> Tensor:
    """1 where the answer is the stored solution, else 0."""
    if seen.solution is None:
        raise ValueError('halting: "oracle" needs the solution, which only training and evaluation know')
    return exact_match(seen.answer, seen.solution).float()


def puzzle(seen: SignalInput) -> Tensor:
    """A hash of the puzzle, an integer below 2^24, from which the random rules draw."""
    return hashed_puzzle(seen.inputs).float()


def state(seen: SignalInput) -> Tensor:
    """Mean of the slow state z_H over positions, ``(B, D)``."""
    return _by_position(seen.output.carry).mean(1)


def _by_position(carry: Carry) -> Tensor:
    """Returns the slow state as ``(B, positions, D)`` float32."""
    return slow_state(carry).float().unsqueeze(1).flatten(1, -2)


def _residual(now: Tensor, before: Tensor) -> Tensor:
    now, before = now.float().flatten(1), before.float().flatten(1)
    return ((now - before).square().sum(1) / now.square().sum(1).clamp(min=1e-24)).sqrt()


def hashed_puzzle(inputs: Tensor) -> Tensor:
    """Returns hashes of puzzles ``(B, L)``: integers from 0 to 2^24 − 1, ``(B,)`` int64."""
    position = torch.arange(1, inputs.shape[1] + 1, device=inputs.device)
    weights = hashed(position * 0x9E3779B1)  # irregular, so that puzzles with equal sums of tokens differ
    return hashed((inputs * weights).sum(-1))


def hashed(key: Tensor) -> Tensor:
    """Returns hashes of int64 keys: integers from 0 to 2^24 − 1."""
    for _ in range(3):
        key = (key ^ ((key >> 15) & 0xFFFFFFFF)) * 0x2C1B3C6D
    return (key >> 16) & 0xFFFFFF


SIGNALS: dict[str, Callable[[SignalInput], Tensor]] = {
    signal.__name__: signal
    for signal in (
        q_halt,
        q_continue,
        entropy,
        margin,
        kl,
        changed,
        residual_h,
        residual_l,
        cosine,
        valid,
        correct,
        puzzle,
        state,
    )
}
"""Signals by name; each maps a `SignalInput` to ``(B,)`` float32 (``state`` to ``(B, D)``)."""


def register_signal(signal: Callable[[SignalInput], Tensor]) -> Callable[[SignalInput], Tensor]:
    """Registers a user's signal under the function's name: policies may need it, and traces record it.

    Args:
        signal: Maps a `SignalInput` to one float32 number for each row, ``(B,)``, which depends on that row alone.

    Returns:
        The same function, so that this can be used as a decorator.

    Raises:
        ValueError: The name has other characters than ASCII letters, digits and underscores, or is taken.
    """
    name, known = signal.__name__, SIGNALS.get(signal.__name__)
    if not re.fullmatch(r"\w{1,64}", name, re.ASCII):
        raise ValueError(f"signal: expected a name of up to 64 letters, digits and underscores, found {name!r}")
    if known is not None and (known.__module__, known.__qualname__) != (signal.__module__, signal.__qualname__):
        raise ValueError(f"signal: expected a name of its own, found {name!r}, which {known.__module__} has registered")
    SIGNALS[name] = signal
    return signal


def measure(seen: SignalInput, names: Iterable[str]) -> dict[str, Tensor]:
    """Computes signals by name.

    Raises:
        ValueError: A signal is not registered, or does not return one float32 number for each row.
    """
    found = {name: SIGNALS[check_choice("signals", name, SIGNALS)](seen) for name in names}
    for name, values in found.items():
        one_a_row = values.shape[:1] == seen.start.shape and values.ndim == 1 + (name == "state")
        if values.dtype != torch.float32 or not one_a_row:
            shape = f"{str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}"
            raise ValueError(f"signal {name!r}: expected float32 {tuple(seen.start.shape)}, found {shape}")
    return found
