"""A halting policy at work on a batch: computes the signals that it needs and remembers the previous logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.cores.carry import Carry
from hrm_agent.cores.core import SegmentOutput
from hrm_agent.halting.policy import HaltContext, HaltingPolicy, begin, decision
from hrm_agent.halting.signals import SignalInput, measure
from hrm_agent.state import Stateful
from hrm_env.task import PuzzleTask


class HaltDecision(NamedTuple):
    """Which of B rows stop after a segment, and why.

    Attributes:
        halt: Rows that the policy stops, ``(B,)`` bool: what is handed in.
        done: Rows that stop, by the policy's choice or at the budget, ``(B,)`` bool.
        abstained: Rows that stop and hand in nothing, ``(B,)`` bool.
        signals: The signals that the policy needs, by name: ``(B,)`` float32 each, ``state`` ``(B, D)``.
    """

    halt: Tensor
    done: Tensor
    abstained: Tensor
    signals: Mapping[str, Tensor]


class HaltingSession(Stateful):
    """Decides segment after segment for the rows of one batch.

    Args:
        policy: The policy, including exploration; its memory belongs to the session.
        max_segments: The budget M_max.
        task: The puzzle family, for policies that check the answer; None if it is unknown.
        probabilities: How logits become probabilities, a name of `LOG_PROBABILITIES`; the core's attribute.
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
    ) -> HaltDecision:
        """Decides which rows stop after a segment.

        Args:
            output: Output of the segment.
            before: The hidden state that the segment began with.
            inputs: The puzzles, ``(B, L)``.
            start: Rows whose episode began with this segment, ``(B,)`` bool.
            segment: Segments used including this one, ``(B,)``.
            solution: The solutions ``(B, L)``, for the oracle alone.

        Raises:
            ValueError: The policy needs an unknown signal, or its memory has another number of rows than the batch.
        """
        begin(self.policy, start)
        seen = SignalInput(output, before, self._last_logits, start, inputs, solution, self.task, self.probabilities)
        signals = measure(seen, self.policy.needs)
        self._last_logits = output.logits
        halt = decision(self.policy, HaltContext(segment, self.max_segments, signals))
        done = halt | (segment >= self.max_segments)
        return HaltDecision(halt, done, done & self.policy.abstains(), signals)

    def keep(self, rows: Tensor) -> None:
        """Keeps only the rows of the given indices."""
        self.policy.keep(rows)
        if self._last_logits is not None:
            self._last_logits = self._last_logits[rows]
