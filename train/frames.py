"""What there is to see of an agent at work: the question, then its answer after every segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hrm_agent.agent import HRM
from hrm_agent.reasoning import Reasoner
from hrm_env.grading import exact_match
from hrm_env.vector import PuzzleVectorEnv


@dataclass(frozen=True)
class Frame:
    """One moment.

    Attributes:
        index: Number of the puzzle.
        inputs: The question, ``(L,)`` int64.
        solution: What it is graded against, ``(L,)`` int64.
        budget: Segments an episode can have.
        segment: Segments used; 0 shows the question alone.
        answer: The newest answer, ``(L,)`` int64.
        previous: The one before.
        q_halt: How likely the agent holds its answer to be right.
        q_continue: How likely to become right.
        halted: Whether it hands this answer in.
        solved: Whether the answer is right.
    """

    index: int
    inputs: Tensor
    solution: Tensor
    budget: int
    segment: int = 0
    answer: Tensor | None = None
    previous: Tensor | None = None
    q_halt: float = 0.0
    q_continue: float = 0.0
    halted: bool = False
    solved: bool = False

    @property
    def verdict(self) -> str:
        """Empty until the agent halts."""
        return ("solved" if self.solved else "not solved") if self.halted else ""


def frames(model: HRM, env: PuzzleVectorEnv, index: int) -> Iterator[Frame]:
    """Puzzle ``index`` and the agent's answer after every segment until it halts."""
    inputs, solution, puzzle_id = env.stored(slice(index, index + 1))
    frame = Frame(index, inputs[0], solution[0], env.rules.max_segments)
    yield frame
    reasoner = Reasoner(model.policy.acting_core, model.halting, frame.budget, batch_size=1, task=env.rules.task)
    while not frame.halted:
        used = torch.tensor([frame.segment])
        answer, halt, output = reasoner.think(inputs, puzzle_id, used == 0, used, solution)
        frame = replace(
            frame,
            segment=frame.segment + 1,
            answer=answer[0],
            previous=frame.answer,
            q_halt=float(output.q_halt.sigmoid()),
            q_continue=float(output.q_continue.sigmoid()),
            halted=bool(halt),
            solved=bool(exact_match(answer, solution)),
        )
        yield frame
