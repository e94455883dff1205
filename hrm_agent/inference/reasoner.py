"""Segments of inference for a batch of puzzles: the one driver of a core and a halting policy.

`predict`, evaluation, recording and ``watch`` all use it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.cores.carry import Carry, chosen_rows
from hrm_agent.cores.core import ReasoningCore, SegmentOutput
from hrm_agent.halting.policy import HaltingPolicy, noise_of
from hrm_agent.halting.session import HaltingSession
from hrm_agent.inference.views import Views, rows_of
from hrm_env.task import PAD_ID, PuzzleBatch, PuzzleTask


class SegmentResult(NamedTuple):
    """Outcome of a segment for B puzzles; with K views of each, that of the view that answers, unless noted.

    Attributes:
        answer: The most probable tokens, ``(B, L)`` int64, in the puzzle's own cells and tokens.
        halt: Puzzles that the policy stops now, ``(B,)`` bool.
        done: Puzzles that stop now, by the policy's choice or at the budget, ``(B,)`` bool.
        abstained: Puzzles that stop now and hand in nothing, ``(B,)`` bool.
        q_halt: Q value of halting, as a logit, ``(B,)`` float32; for a view that has halted, at its last segment.
        q_continue: Q value of continuing, likewise.
        work: Segments computed since the episode began, over all views, ``(B,)`` int64.
        answers: The answers of all views, ``(B, K, L)`` int64.
        signals: The signals that the policy needs, of all views: ``(B, K)`` float32 each, ``state`` ``(B, K, D)``.
    """

    answer: Tensor
    halt: Tensor
    done: Tensor
    abstained: Tensor
    q_halt: Tensor
    q_continue: Tensor
    work: Tensor
    answers: Tensor
    signals: Mapping[str, Tensor]

    @property
    def handed_in(self) -> Tensor:
        """The answer as the action states it, ``(B, L)`` int64: all `PAD_ID` where the policy abstains."""
        return self.answer.masked_fill(self.abstained.unsqueeze(-1), PAD_ID)


class Reasoner:
    """A core and a halting policy at work on a batch of puzzles.

    If the policy uses K views of each puzzle, every view is a row of the core's batch: row ``b·K + k`` is view k of
    puzzle b. A view that has halted is not computed again, and keeps its last output until its puzzle halts.

    Args:
        core: The network, which is not changed.
        halting: The policy, which is copied, so that its memory belongs to this batch alone.
        max_segments: The budget M_max.
        batch_size: Number of puzzles B.
        task: The puzzle family, if it is known.

    Raises:
        ValueError: The policy uses more views than the task has symmetries for, and no noise.
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
        self.views = Views(halting.views, task, *noise_of(halting), device=device)
        self.work = torch.zeros(batch_size, dtype=torch.long, device=device)
        self._output: SegmentOutput | None = None

    @torch.no_grad()
    def think(
        self, inputs: Tensor, puzzle_id: Tensor, start: Tensor, segment: Tensor, solution: Tensor | None = None
    ) -> SegmentResult:
        """Computes one segment.

        Args:
            inputs: The puzzles, ``(B, L)`` int64.
            puzzle_id: Their rows of the puzzle embedding, ``(B,)`` int64.
            start: Puzzles whose episode begins, with a fresh hidden state, ``(B,)`` bool.
            segment: Segments used before this one, ``(B,)``.
            solution: The solutions ``(B, L)``, for the oracle alone.
        """
        count = self.views.count
        shown, solved = self.views.show(inputs), None if solution is None else self.views.show(solution)
        puzzle_id, first, used = (part.repeat_interleave(count) for part in (puzzle_id, start, segment + 1))
        before = self.views.begin(self.core.reset_carry(self.carry, first), shown, first)
        output, rows = self._segment(self.views.disturb(before, shown, used), shown, puzzle_id, first)
        decided = self.session.decide(output, before, shown, first, used, solved)
        self.carry, self._output = output.carry, output
        self.work = torch.where(start, 0, self.work) + rows.view(-1, count).sum(1)

        puzzles = torch.arange(len(inputs), device=inputs.device)
        view = self.session.policy.elect()
        answers, elected = self.views.restore(output.logits.argmax(-1)), puzzles * count + view
        return SegmentResult(
            answer=answers[puzzles, view],
            halt=decided.halt[elected],
            done=decided.done[elected],
            abstained=decided.abstained[elected],
            q_halt=output.q_halt[elected],
            q_continue=output.q_continue[elected],
            work=self.work,
            answers=answers,
            signals={name: signal.unflatten(0, (-1, count)) for name, signal in decided.signals.items()},
        )

    def episodes(self, batch: PuzzleBatch) -> Iterator[SegmentResult]:
        """Yields the segments of new puzzles, until each has halted or used up the budget.

        All puzzles are computed up to the last of these segments.
        """
        used = torch.zeros_like(batch.puzzle_id)
        ended = torch.zeros_like(used, dtype=torch.bool)
        while not ended.all():
            result = self.think(batch.inputs, batch.puzzle_id, used == 0, used, batch.solution)
            used, ended = used + 1, ended | result.done
            yield result

    def _segment(self, before: Carry, inputs: Tensor, puzzle_id: Tensor, start: Tensor) -> tuple[SegmentOutput, Tensor]:
        """Returns the segment's output and the rows that were computed, ``(B·K,)`` bool: views that have not halted."""
        halted = self.session.policy.halted
        if halted is None or self._output is None:
            return self.core(before, inputs, puzzle_id), torch.ones_like(start)
        awake = ~halted | start
        rows = awake.nonzero().squeeze(1)
        output = self.core(chosen_rows(before, rows), inputs[rows], puzzle_id[rows])
        return self._output.with_rows(rows, output), awake

    def keep(self, rows: Tensor) -> None:
        """Keeps only the puzzles of the given indices."""
        self.work = self.work[rows]
        rows = rows_of(rows, self.views.count)
        self.carry = chosen_rows(self.carry, rows)
        self.session.keep(rows)
        if self._output is not None:
            self._output = self._output.rows(rows)

    def copy(self) -> Reasoner:
        """Returns a reasoner that goes on from here; this one stays as it is."""
        twin = copy.copy(self)
        twin.session = copy.deepcopy(self.session)
        return twin
