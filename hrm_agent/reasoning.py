"""Thinking without learning: segments of inference for a batch, shared by `predict`, evaluation and watching."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from hrm_agent.cores.core import ReasoningCore, SegmentOutput
from hrm_agent.halting.policy import HaltingPolicy
from hrm_agent.halting.session import HaltingSession
from hrm_env.task import PuzzleTask


class Reasoner:
    """A core and a halting policy at work on the rows of one batch.

    Args:
        core: The network; not changed.
        halting: The policy; copied, so that its memory belongs to this batch alone.
        max_segments: The budget M_max.
        batch_size: Rows B.
        task: The puzzle family, where it is known.
    """

    def __init__(
        self,
        core: ReasoningCore,
        halting: HaltingPolicy,
        max_segments: int,
        batch_size: int,
        task: PuzzleTask | None = None,
    ) -> None:
        self.core = core
        self.session = HaltingSession(copy.deepcopy(halting), max_segments, task)
        self.carry = core.initial_carry(batch_size)

    @torch.no_grad()
    def think(
        self, inputs: Tensor, puzzle_id: Tensor, start: Tensor, segment: Tensor, solution: Tensor | None = None
    ) -> tuple[Tensor, Tensor, SegmentOutput]:
        """One segment.

        Args:
            inputs: The puzzles, ``(B, L)`` int64.
            puzzle_id: ``(B,)`` int64.
            start: Rows that begin an episode, with a fresh hidden state, ``(B,)`` bool.
            segment: Segments used before this one, ``(B,)``.
            solution: For the oracle alone.

        Returns:
            Answers ``(B, L)`` int64, halt decisions ``(B,)`` bool, and all the segment gave.
        """
        before = self.core.reset_carry(self.carry, start)
        output = self.core(before, inputs, puzzle_id)
        halt = self.session.decide(output, before, inputs, start, segment + 1, solution)
        self.carry = output.carry
        return output.logits.argmax(-1), halt, output

    def keep(self, rows: Tensor) -> None:
        """Goes on with the given rows alone."""
        self.carry = self.carry.rows(rows)
        self.session.keep(rows)

    def copy(self) -> Reasoner:
        """A reasoner that goes on from here and leaves this one as it is."""
        twin = copy.copy(self)
        twin.session = copy.deepcopy(self.session)
        return twin
