"""What a halting policy is: it sees a segment's outcome and says, row by row, whether to stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from hrm_agent.cores.core import Carry


@dataclass(frozen=True)
class HaltContext:
    """Everything a policy may look at, after segment m of each row.

    Attributes:
        segment: m, segments used including this one, ``(B,)`` int64.
        max_segments: The budget M_max; the environment ends an episode there whatever the policy says.
        q_halt: Logit of halting, ``(B,)``.
        q_continue: Logit of continuing, ``(B,)``.
        logits: Answer logits, ``(B, L, V)``.
        previous_logits: Those of the segment before; zeros at m = 1.
        carry: Hidden state after this segment.
        previous_carry: Hidden state before it.
        inputs: The puzzle, ``(B, L)``.
        solution: Its solution, for the oracle alone; None where nobody knows it.
    """

    segment: Tensor
    max_segments: int
    q_halt: Tensor
    q_continue: Tensor
    logits: Tensor
    previous_logits: Tensor
    carry: Carry
    previous_carry: Carry
    inputs: Tensor
    solution: Tensor | None = None


class HaltingPolicy(ABC):
    """Decides after every segment which rows stop.

    A policy with memory keeps it per row and forgets it in `reset`. `make` writes a policy's string form into `name`.
    """

    name: str = ""

    @abstractmethod
    def decide(self, context: HaltContext) -> Tensor:
        """Which rows halt now, ``(B,)`` bool."""

    def reset(self, mask: Tensor) -> None:
        """Called before a segment with the rows ``mask (B,)`` that begin a new episode."""

    def keep(self, rows: Tensor) -> None:
        """Called when the batch shrinks to the given row indices. Policies with memory keep those rows."""
