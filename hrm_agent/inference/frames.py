"""Frames of an agent at work: the puzzle, its answer after every segment, and pictures of both."""

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
        index: Row of the puzzle in the source.
        inputs: The puzzle, ``(L,)`` int64.
        solution: The solution to compare with, ``(L,)`` int64: the stored one, or the answer itself if it solves the
            puzzle and the environment's reward accepts any solution.
        budget: Segments of an episode, at most.
        segment: Segments used; 0 for the puzzle without an answer.
        answer: The newest answer, ``(L,)`` int64.
        previous: The answer before it.
        q_halt: Probability that the answer is right, as the agent estimates it.
        q_continue: Probability that it becomes right, likewise; None if the agent has not learned it.
        halted: Whether this answer is final, by choice or at the budget.
        chosen: Whether it is final by choice.
        abstained: Whether the agent has stopped and hands in nothing.
        solved: Whether the answer is right and handed in.
    """

    index: int
    inputs: Tensor
    solution: Tensor
    budget: int
    segment: int = 0
    answer: Tensor | None = None
    previous: Tensor | None = None
    q_halt: float = 0.0
    q_continue: float | None = None
    halted: bool = False
    chosen: bool = False
    abstained: bool = False
    solved: bool = False

    @property
    def verdict(self) -> str:
        """Whether the puzzle was solved; empty until the agent halts."""
        answered = "solved" if self.solved else "not solved"
        return ("abstains" if self.abstained else answered) if self.halted else ""

    @property
    def ending(self) -> str:
        """Why the episode ended, and the verdict; empty until then."""
        return f"{'halts' if self.chosen else 'budget'}: {self.verdict}" if self.halted else ""

    @property
    def belief(self) -> str:
        """The Q values, as probabilities; empty before the first answer."""
        if self.answer is None:
            return ""
        going_on = "" if self.q_continue is None else f", continue {self.q_continue:.2f}"
        return f"Q halt {self.q_halt:.2f}{going_on}"


def frames(
    core: ReasoningCore, halting: HaltingPolicy, env: PuzzleVectorEnv, index: int, learned_continue: bool = True
) -> Iterator[Frame]:
    """Yields puzzle ``index``, then the agent's answer after every segment until it halts; tensors are on the CPU.

    ``learned_continue`` is whether the agent has learned Q_continue, which frames hold only then.
    """
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
            q_continue=float(result.q_continue.sigmoid()) if learned_continue else None,
            halted=bool(result.done),
            chosen=bool(result.halt),
            abstained=bool(result.abstained),
            solved=bool(exact_match(result.handed_in, judged)),
        )
        yield frame


def captioned(task: PuzzleTask, frame: Frame) -> Picture:
    """Returns the picture of a frame, with the agent's Q values and decision below it."""
    picture = draw_puzzle(task, frame.inputs, frame.answer, frame.solution)
    return with_caption(
        picture,
        [
            Line(f"Puzzle {frame.index}", f"segment {frame.segment} of {frame.budget}"),
            Line(frame.belief, frame.ending, GREEN if frame.solved else RED),
        ],
    )
