"""The answer after every inner step (paper, figure 7), and how it comes about."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.dynamics.recorder import inner_states
from hrm_env.task import PuzzleTask


class InnerAnswers(NamedTuple):
    """The answers of all S inner steps of an episode.

    Attributes:
        states: Name of the state that each step changed.
        answers: The most probable tokens after each step, ``(S, B, L)`` int64.
    """

    states: list[str]
    answers: Tensor

    def changes(self) -> Tensor:
        """Returns how many cells each step changed, ``(S - 1, B)``."""
        return (self.answers[1:] != self.answers[:-1]).sum(-1)

    def returns(self) -> Tensor:
        """Returns how many cells each step put back to a token that they had before and had left, ``(S - 1, B)``."""
        now, last = self.answers[1:], self.answers[:-1]
        earlier = torch.stack([(self.answers[: at + 1] == cells).any(0) for at, cells in enumerate(now)])
        return (earlier & (now != last)).sum(-1)

    def violations(self, task: PuzzleTask) -> npt.NDArray[np.int64]:
        """Returns how many cells break a rule after each step, ``(S, B)``; all 0 where the task marks none."""
        found = [[task.conflicts(answer).sum() for answer in step] for step in self.answers.cpu().numpy()]
        return np.asarray(found, dtype=np.int64)


@torch.no_grad()
def inner_answers(core: ReasoningCore, inputs: Tensor, puzzle_id: Tensor, count: int) -> InnerAnswers:
    """Decodes the answer after every inner step of ``count`` segments; see `ReasoningCore.decode`.

    Args:
        core: The network.
        inputs: The puzzles, ``(B, L)`` int64.
        puzzle_id: Their rows of the puzzle embedding, ``(B,)`` int64.
        count: Number of segments.
    """
    states: dict[str, Tensor] = {}
    names, answers = list[str](), list[Tensor]()
    for segment in inner_states(core, inputs, puzzle_id, count):
        for name, before, _ in segment.steps:
            if before is not None:
                states.setdefault(name, before)
        for name, _, value in segment.steps:
            states[name] = value
            names.append(name)
            answers.append(core.decode(states, name).argmax(-1))
    return InnerAnswers(names, torch.stack(answers))
