"""What there is to see of an agent at work: the question, then its answer after every segment, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.halting.policy import HaltingPolicy
from hrm_agent.inference.reasoner import Reasoner
from hrm_env.drawing import GREEN, RED, Line, Picture, draw_puzzle, with_caption
from hrm_env.envs.grading import exact_match
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.task import PuzzleTask


@dataclass(frozen=True)
class Frame:
    """What is shown of a puzzle after a segment.

    Attributes:
        index: Number of the puzzle.
        inputs: The question, ``(L,)`` int64.
        solution: What the answer is compared with, ``(L,)`` int64: the stored solution, or the answer itself where the
            environment's reward takes any answer that solves the puzzle.
        budget: Segments an episode can have.
        segment: Segments used; 0 shows the question alone.
        answer: The newest answer, ``(L,)`` int64.
        previous: The one before.
        q_halt: How likely the agent holds its answer to be right.
        q_continue: How likely to become right.
        halted: Whether it hands this answer in, by choice or at the budget.
        chosen: Whether it chose to.
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
    chosen: bool = False
    solved: bool = False

    @property
    def verdict(self) -> str:
        """Empty until the agent halts."""
        return ("solved" if self.solved else "not solved") if self.halted else ""

    @property
    def ending(self) -> str:
        """Why it ends, and the verdict; empty until then."""
        return f"{'halts' if self.chosen else 'budget'}: {self.verdict}" if self.halted else ""

    @property
    def belief(self) -> str:
        """What the agent believes of its answer; empty before the first."""
        return "" if self.answer is None else f"Q halt {self.q_halt:.2f}, continue {self.q_continue:.2f}"


def frames(core: ReasoningCore, halting: HaltingPolicy, env: PuzzleVectorEnv, index: int) -> Iterator[Frame]:
    """Puzzle ``index`` and the agent's answer after every segment until it halts; tensors are on the CPU."""
    batch = env.stored(slice(index, index + 1))
    frame = Frame(index, batch.inputs[0].cpu(), batch.solution[0].cpu(), env.rules.max_segments)
    yield frame
    reasoner = Reasoner(core, halting, frame.budget, batch_size=1, task=env.rules.task)
    for result in reasoner.episodes(batch):
        judged = env.rules.judged_by(batch, result.answer)
        frame = replace(
            frame,
            solution=judged[0].cpu(),
            segment=frame.segment + 1,
            answer=result.answer[0].cpu(),
            previous=frame.answer,
            q_halt=float(result.q_halt.sigmoid()),
            q_continue=float(result.q_continue.sigmoid()),
            halted=bool(result.done),
            chosen=bool(result.halt),
            solved=bool(exact_match(result.answer, judged)),
        )
        yield frame


def captioned(task: PuzzleTask, frame: Frame) -> Picture:
    """The picture of a frame, with what the agent believes and does below it."""
    picture = draw_puzzle(task, frame.inputs, frame.answer, frame.solution)
    return with_caption(
        picture,
        [
            Line(f"Puzzle {frame.index}", f"segment {frame.segment} of {frame.budget}"),
            Line(frame.belief, frame.ending, GREEN if frame.solved else RED),
        ],
    )
