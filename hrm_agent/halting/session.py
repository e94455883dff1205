"""A policy at work on a batch: computes the signals it needs and remembers the previous logits."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.cores.carry import Carry
from hrm_agent.cores.core import SegmentOutput
from hrm_agent.halting.policy import HaltContext, HaltingPolicy, begin, decision
from hrm_agent.halting.signals import SignalInput, measure
from hrm_agent.state import Stateful
from hrm_env.task import PuzzleTask


class HaltingSession(Stateful):
    """Decides segment after segment for the rows of one batch.

    Args:
        policy: The policy, exploration included; the session owns its memory.
        max_segments: The budget M_max, which the policy may look at; the environment ends an episode there.
        task: The puzzle family, for rules that check the answer; None where nobody knows it.
        probabilities: How logits become probabilities, as the core's attribute of that name says.
    """

    def __init__(
        self,
        policy: HaltingPolicy,
        max_segments: int,
        task: PuzzleTask | None = None,
        probabilities: str = "softmax",
    ) -> None:
        self.policy, self.max_segments, self.task, self.probabilities = policy, max_segments, task, probabilities
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
        """Which rows the policy stops after this segment, ``(B,)`` bool; the others go on, if the budget lets them.

        Args:
            output: What the segment gave.
            before: The hidden state it began with.
            inputs: The puzzles, ``(B, L)``.
            start: Rows whose episode began with this segment, ``(B,)`` bool.
            segment: Segments used including this one, ``(B,)``.
            solution: For the oracle alone.

        Raises:
            ValueError: The policy needs a signal that is unknown, or has not kept up with the rows of the batch.
        """
        begin(self.policy, start)
        seen = SignalInput(output, before, self._last_logits, start, inputs, solution, self.task, self.probabilities)
        signals = measure(seen, self.policy.needs)
        self._last_logits = output.logits
        return decision(self.policy, HaltContext(segment, self.max_segments, signals))

    def keep(self, rows: Tensor) -> None:
        """The batch shrinks to the given row indices."""
        self.policy.keep(rows)
        if self._last_logits is not None:
            self._last_logits = self._last_logits[rows]
