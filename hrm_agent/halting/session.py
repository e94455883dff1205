"""A policy at work on a batch: computes the signals it needs, remembers the previous logits and applies the budget."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.cores.core import Carry, SegmentOutput
from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_agent.halting.signals import SIGNALS, Moment
from hrm_agent.state import Stateful
from hrm_env.task import PuzzleTask


class HaltingSession(Stateful):
    """Decides segment after segment for the rows of one batch.

    Args:
        policy: The policy, exploration included; the session owns its memory.
        max_segments: The budget M_max, at which every row halts.
        task: The puzzle family, for rules that check the answer; None where nobody knows it.
    """

    def __init__(self, policy: HaltingPolicy, max_segments: int, task: PuzzleTask | None = None) -> None:
        self.policy, self.max_segments, self.task = policy, max_segments, task
        self._last_logits: Tensor | None = None

    @torch.no_grad()
    def decide(
        self,
        output: SegmentOutput,
        before: Carry,
        inputs: Tensor,
        start: Tensor,
        segment: Tensor,
        solution: Tensor | None = None,
    ) -> Tensor:
        """Which rows stop after this segment, by choice or by budget: ``(B,)`` bool.

        Args:
            output: What the segment gave.
            before: The hidden state it began with.
            inputs: The puzzles, ``(B, L)``.
            start: Rows whose episode began with this segment, ``(B,)`` bool.
            segment: Segments used including this one, ``(B,)``.
            solution: For the oracle alone.
        """
        self.policy.reset(start)
        moment = Moment(output, before, self._last_logits, start, inputs, solution, self.task)
        signals = {name: SIGNALS[name](moment) for name in self.policy.needs}
        self._last_logits = output.logits
        return self.policy.decide(HaltContext(segment, self.max_segments, signals)) | (segment >= self.max_segments)

    def keep(self, rows: Tensor) -> None:
        """The batch shrinks to the given row indices."""
        self.policy.keep(rows)
        if self._last_logits is not None:
            self._last_logits = self._last_logits[rows]
