"""Random segments in which every signal varies, and what a policy decides on them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from hrm_agent.cores import HRMCarry, SegmentOutput
from hrm_agent.cores.carry import chosen_rows
from hrm_agent.halting import HaltingPolicy, HaltingSession, make
from hrm_agent.halting.signals import SignalInput
from hrm_env.task import PuzzleTask
from hrm_env.tasks.copy import Copy

BUDGET, ROWS = 5, 16
LENGTH, VOCAB, WIDTH = 3, 4, 6
EVERY = torch.arange(ROWS)


class Thinking(NamedTuple):
    """`BUDGET` segments on `ROWS` puzzles; before the first, the hidden state is zero."""

    outputs: list[SegmentOutput]
    inputs: Tensor
    solution: Tensor
    task: PuzzleTask

    def before(self, number: int) -> HRMCarry:
        """Returns the hidden state with which segment ``number`` = 0, 1, ... begins."""
        nothing = torch.zeros(ROWS, LENGTH, WIDTH)
        return self.outputs[number - 1].carry if number else HRMCarry(nothing, nothing)

    def signal_input(self, number: int) -> SignalInput:
        """Returns what is observable after segment ``number`` = 0, 1, ..."""
        last = self.outputs[number - 1].logits if number else None
        start = torch.full((ROWS,), number == 0)
        return SignalInput(
            self.outputs[number], self.before(number), last, start, self.inputs, self.solution, self.task
        )


def thinking(seed: int = 0) -> Thinking:
    """Returns states and logits of a random walk: each row has its own pace, and later steps are smaller."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(1, VOCAB, (ROWS, LENGTH), generator=generator)
    solution = torch.where(torch.arange(ROWS)[:, None] % 4 == 0, inputs.roll(1, dims=1), inputs)
    pace = torch.rand(ROWS, 1, 1, generator=generator)
    outputs, state, logits = [], torch.zeros(2, ROWS, LENGTH, WIDTH), torch.zeros(ROWS, LENGTH, VOCAB)
    for segment in range(1, BUDGET + 1):
        state = state + pace / segment * torch.randn(state.shape, generator=generator)
        logits = logits + 4 * pace / segment * torch.randn(logits.shape, generator=generator)
        finds_out = torch.arange(ROWS) % BUDGET == segment - 1
        logits[finds_out] += 10 * one_hot(solution[finds_out], VOCAB)
        q_halt, q_continue = torch.randn(2, ROWS, generator=generator)
        outputs.append(SegmentOutput(HRMCarry(*state), logits.clone(), q_halt, q_continue, state[0, :, 0]))
    return Thinking(outputs, inputs, solution, Copy(LENGTH, VOCAB - 1))


def decisions(policy: str | HaltingPolicy, rows: Tensor = EVERY, kept: Tensor = EVERY, seed: int = 0) -> Tensor:
    """Returns what a policy decides for the given rows, ``(BUDGET, rows)`` bool, below the budget.

    Args:
        policy: A fresh policy.
        rows: Rows of `thinking`.
        kept: Places in ``rows`` that remain after the first segment; the others are False from then on.
        seed: Seed of `thinking`.
    """
    segments = thinking(seed)
    session = HaltingSession(make(policy), BUDGET + 1, segments.task)
    found, still = torch.zeros(BUDGET, len(rows), dtype=torch.bool), torch.arange(len(rows))
    for number, output in enumerate(segments.outputs):
        if number == 1 and len(kept) < len(rows):
            session.keep(kept)
            still = kept
        now, used = rows[still], torch.full((len(still),), number + 1)
        before = chosen_rows(segments.before(number), now)
        found[number, still] = session.decide(
            output.rows(now), before, segments.inputs[now], used == 1, used, segments.solution[now]
        ).halt
    return found
