"""Thinking without learning: segments of inference for a batch, shared by `predict`, evaluation and watching."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.cores.carry import Carry, chosen_rows
from hrm_agent.cores.core import ReasoningCore, SegmentOutput
from hrm_agent.halting.policy import HaltingPolicy
from hrm_agent.halting.session import HaltingSession
from hrm_agent.inference.views import Views, rows_of
from hrm_env.task import PuzzleTask


class SegmentResult(NamedTuple):
    """What a segment gives for each of B puzzles; of several views, what the one gives that answers.

    Attributes:
        answer: The most probable tokens, ``(B, L)`` int64, in the puzzle's own cells and tokens.
        halt: Which puzzles the policy stops now, ``(B,)`` bool.
        done: Which puzzles stop now, by its choice or at the budget, ``(B,)`` bool.
        q_halt: Q value of halting, as a logit, ``(B,)`` float32; of a view that has halted, that of its last segment.
        q_continue: Q value of continuing, likewise.
        work: Segments computed since the episode began, over all views, ``(B,)`` int64.
    """

    answer: Tensor
    halt: Tensor
    done: Tensor
    q_halt: Tensor
    q_continue: Tensor
    work: Tensor


class Reasoner:
    """A core and a halting policy at work on a batch of puzzles.

    Where the policy wants K views of each puzzle, each is a row of the core's batch: row ``b·K + k`` is view k of
    puzzle b. A view that has halted rests, with its last output, until its puzzle halts.

    Args:
        core: The network; not changed.
        halting: The policy; copied, so that its memory belongs to this batch alone.
        max_segments: The budget M_max.
        batch_size: Puzzles B.
        task: The puzzle family, where it is known.

    Raises:
        ValueError: The policy wants more views than the task has, and no noise.
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
        self.session = HaltingSession(copy.deepcopy(halting), max_segments, task, core.probabilities)
        self.carry = core.initial_carry(batch_size * halting.views)
        device = core.device
        self.views = Views(halting.views, task, halting.noise, device=device)
        self.work = torch.zeros(batch_size, dtype=torch.long, device=device)
        self._output: SegmentOutput | None = None

    @torch.no_grad()
    def think(
        self, inputs: Tensor, puzzle_id: Tensor, start: Tensor, segment: Tensor, solution: Tensor | None = None
    ) -> SegmentResult:
        """One segment.

        Args:
            inputs: The puzzles, ``(B, L)`` int64.
            puzzle_id: ``(B,)`` int64.
            start: Puzzles whose episode begins, with a fresh hidden state, ``(B,)`` bool.
            segment: Segments used before this one, ``(B,)``.
            solution: For the oracle alone.
        """
        count = self.views.count
        shown, solved = self.views.show(inputs), None if solution is None else self.views.show(solution)
        puzzle_id, first, used = (part.repeat_interleave(count) for part in (puzzle_id, start, segment + 1))
        before = self.views.perturb(self.core.reset_carry(self.carry, first), first)
        output, rows = self._segment(before, shown, puzzle_id, first)
        halt = self.session.decide(output, before, shown, first, used, solved)
        self.carry, self._output = output.carry, output
        self.work = torch.where(start, 0, self.work) + rows.view(-1, count).sum(1)

        puzzles = torch.arange(len(inputs), device=inputs.device)
        view = self.session.policy.elect()
        answers, elected = self.views.restore(output.logits.argmax(-1)), puzzles * count + view
        return SegmentResult(
            answer=answers[puzzles, view],
            halt=halt[elected],
            done=halt[elected] | (segment + 1 >= self.session.max_segments),
            q_halt=output.q_halt[elected],
            q_continue=output.q_continue[elected],
            work=self.work,
        )

    def _segment(self, before: Carry, inputs: Tensor, puzzle_id: Tensor, start: Tensor) -> tuple[SegmentOutput, Tensor]:
        """What the segment gives, and which rows were computed, ``(B·K,)`` bool: those whose view has not halted."""
        halted = self.session.policy.halted
        if halted is None or self._output is None:
            return self.core(before, inputs, puzzle_id), torch.ones_like(start)
        awake = ~halted | start
        rows = awake.nonzero().squeeze(1)
        output = self.core(chosen_rows(before, rows), inputs[rows], puzzle_id[rows])
        return self._output.with_rows(rows, output), awake

    def keep(self, rows: Tensor) -> None:
        """Goes on with the puzzles of the given indices alone."""
        self.work = self.work[rows]
        rows = rows_of(rows, self.views.count)
        self.carry = chosen_rows(self.carry, rows)
        self.session.keep(rows)
        if self._output is not None:
            self._output = self._output.rows(rows)

    def copy(self) -> Reasoner:
        """A reasoner that goes on from here and leaves this one as it is."""
        twin = copy.copy(self)
        twin.session = copy.deepcopy(self.session)
        return twin
