"""What a way of learning to halt is: from a segment's outcome to the losses that are minimized."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from hrm_agent.config import LearnerConfig
from hrm_agent.cores.core import ReasoningCore, SegmentOutput
from hrm_agent.state import Stateful
from hrm_env.task import PuzzleBatch


@dataclass(frozen=True)
class Outcome:
    """A training segment, before its losses.

    Attributes:
        output: What the segment gave, in the graph.
        segment: m, segments used including this one, ``(B,)`` int64.
        max_segments: The budget M_max.
        done: Rows whose episode ends with this segment, ``(B,)`` bool.
        correct: Rows whose answer is right, ``(B,)`` bool.
        answer_loss: Token loss of each row, ``(B,)``, in the graph.
    """

    output: SegmentOutput
    segment: Tensor
    max_segments: int
    done: Tensor
    correct: Tensor
    answer_loss: Tensor

    @property
    def is_last(self) -> Tensor:
        """Rows at their budget, ``(B,)`` bool."""
        return self.segment >= self.max_segments


class HaltingLoss(Stateful, ABC):
    """Base class of all ways to learn to halt. It may remember tensors from segment to segment."""

    def __init__(self, config: LearnerConfig) -> None:
        self.config = config

    @abstractmethod
    def losses(self, core: ReasoningCore, batch: PuzzleBatch, outcome: Outcome) -> dict[str, Tensor]:
        """Scalars ``answer``, ``halt`` and, where Q_continue is learned, ``continue``."""
