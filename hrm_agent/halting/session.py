"""A policy at work on a batch: it builds the contexts, remembers the previous logits and applies the budget."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.cores.core import Carry, SegmentOutput
from hrm_agent.halting.policy import HaltContext, HaltingPolicy


class HaltingSession:
    """Decides segment after segment for the rows of one batch.

    Args:
        policy: The policy, exploration included; the session owns its memory.
        max_segments: The budget M_max, at which every row halts.
    """

    def __init__(self, policy: HaltingPolicy, max_segments: int) -> None:
        self.policy, self.max_segments = policy, max_segments
        self._previous_logits: Tensor | None = None

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
        previous = torch.zeros_like(output.logits) if self._previous_logits is None else self._previous_logits
        self.policy.reset(start)
        context = HaltContext(
            segment=segment,
            max_segments=self.max_segments,
            q_halt=output.q_halt,
            q_continue=output.q_continue,
            logits=output.logits,
            previous_logits=torch.where(start.view(-1, 1, 1), 0.0, previous),
            carry=output.carry,
            previous_carry=before,
            inputs=inputs,
            solution=solution,
        )
        self._previous_logits = output.logits
        return self.policy.decide(context) | (segment >= self.max_segments)

    def keep(self, rows: Tensor) -> None:
        """The batch shrinks to the given row indices."""
        self.policy.keep(rows)
        if self._previous_logits is not None:
            self._previous_logits = self._previous_logits[rows]
