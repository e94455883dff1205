"""What can be seen of a segment, one number a row: all that halting rules, traces and the halting environment use.

Because a rule sees nothing else, its decisions can be replayed from recorded signals, exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.cores.core import Carry, SegmentOutput
from hrm_env.grading import exact_match
from hrm_env.task import PAD_ID, PuzzleTask


@dataclass
class Moment:
    """The rows of a batch right after a segment.

    Attributes:
        output: What the segment gave.
        before: The hidden state it began with.
        last_logits: Answer logits of the segment before, ``(B, L, V)``; None before the first.
        start: Rows whose episode began with this segment, ``(B,)`` bool.
        inputs: The puzzles, ``(B, L)``.
        solution: Their solutions, ``(B, L)``; None where nobody knows them.
        task: The puzzle family; None where nobody knows it.
    """

    output: SegmentOutput
    before: Carry
    last_logits: Tensor | None
    start: Tensor
    inputs: Tensor
    solution: Tensor | None = None
    task: PuzzleTask | None = None

    @cached_property
    def answer(self) -> Tensor:
        """The most probable tokens, ``(B, L)``."""
        return self.output.logits.argmax(-1)

    @cached_property
    def log_probs(self) -> Tensor:
        """Logarithms of p^m, ``(B, L, V)``."""
        return F.log_softmax(self.output.logits, -1)

    @cached_property
    def previous_logits(self) -> Tensor:
        """Those of the segment before, ``(B, L, V)``; zeros, which make all tokens alike, at m = 1."""
        if self.last_logits is None:
            return torch.zeros_like(self.output.logits)
        return torch.where(self.start.view(-1, 1, 1), 0.0, self.last_logits)

    def mean_over_cells(self, values: Tensor) -> Tensor:
        """Mean of ``values (B, L)`` over the cells of each puzzle, padding left out: ``(B,)``."""
        cells = self.inputs != PAD_ID
        return (values * cells).sum(-1) / cells.sum(-1).clamp(min=1)


def q_halt(moment: Moment) -> Tensor:
    """Logit of halting."""
    return moment.output.q_halt


def q_continue(moment: Moment) -> Tensor:
    """Logit of continuing."""
    return moment.output.q_continue


def entropy(moment: Moment) -> Tensor:
    """Mean over cells of −Σ p ln p, in nats."""
    return moment.mean_over_cells(-(moment.log_probs.exp() * moment.log_probs).sum(-1))


def margin(moment: Moment) -> Tensor:
    """Least over cells of p(first choice) − p(second choice)."""
    top = moment.log_probs.topk(2, dim=-1).values.exp()
    return (top[..., 0] - top[..., 1]).masked_fill(moment.inputs == PAD_ID, 1.0).amin(-1)


def kl(moment: Moment) -> Tensor:
    """Mean over cells of KL(p^{m−1} ‖ p^m), in nats; p^0 gives all tokens the same probability."""
    before = F.log_softmax(moment.previous_logits, -1)
    return moment.mean_over_cells((before.exp() * (before - moment.log_probs)).sum(-1))


def changed(moment: Moment) -> Tensor:
    """Share of cells whose most probable token is another than a segment before; 1 at m = 1."""
    share = moment.mean_over_cells((moment.answer != moment.previous_logits.argmax(-1)).float())
    return torch.where(moment.start, 1.0, share)


def residual_h(moment: Moment) -> Tensor:
    """‖z_H^m − z_H^{m−1}‖ / ‖z_H^m‖ over all positions; z^0 is the start state."""
    return _residual(moment.output.carry.z_h, moment.before.z_h)


def residual_l(moment: Moment) -> Tensor:
    """‖z_L^m − z_L^{m−1}‖ / ‖z_L^m‖ over all positions; z^0 is the start state."""
    return _residual(moment.output.carry.z_l, moment.before.z_l)


def cosine(moment: Moment) -> Tensor:
    """Mean over positions of cos(z_H^m, z_H^{m−1}); z^0 is the start state."""
    now, before = moment.output.carry.z_h.float(), moment.before.z_h.float()
    return F.cosine_similarity(now, before, dim=-1).mean(-1)


def valid(moment: Moment) -> Tensor:
    """1 where the answer solves the puzzle by the task's own rules, else 0; reads no solution."""
    if moment.task is None:
        raise ValueError(
            'halting: "verifier" needs the rules of the puzzle, and this environment does not name its task'
        )
    return moment.task.check(moment.inputs, moment.answer).float()


def correct(moment: Moment) -> Tensor:
    """1 where the answer is the stored solution, else 0."""
    if moment.solution is None:
        raise ValueError('halting: "oracle" needs the solution, which only training and evaluation know')
    return exact_match(moment.answer, moment.solution).float()


def puzzle(moment: Moment) -> Tensor:
    """A hash of the puzzle, an integer below 2^24: what rules that draw lots draw them from."""
    position = torch.arange(1, moment.inputs.shape[1] + 1, device=moment.inputs.device)
    weights = hashed(position * 0x9E3779B1)  # without a pattern, or puzzles with equal sums would share a hash
    return hashed((moment.inputs * weights).sum(-1)).float()


def state(moment: Moment) -> Tensor:
    """Mean of z_H over positions, ``(B, D)``."""
    return moment.output.carry.z_h.float().mean(1)


def _residual(now: Tensor, before: Tensor) -> Tensor:
    now, before = now.float().flatten(1), before.float().flatten(1)
    return ((now - before).square().sum(1) / now.square().sum(1).clamp(min=1e-24)).sqrt()


def hashed(key: Tensor) -> Tensor:
    """24 well-mixed bits of int64 keys."""
    for _ in range(3):
        key = (key ^ ((key >> 15) & 0xFFFFFFFF)) * 0x2C1B3C6D
    return (key >> 16) & 0xFFFFFF


SIGNALS: dict[str, Callable[[Moment], Tensor]] = {
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
"""By name; each maps a `Moment` to ``(B,)`` float32 (``state`` to ``(B, D)``)."""
