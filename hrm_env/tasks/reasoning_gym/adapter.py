"""What the tasks with generators of reasoning-gym share (https://github.com/open-thought/reasoning-gym, Apache-2.0)."""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from typing import Any

import numpy as np

from hrm_env.extras import optional
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.task import PuzzleTask

Entry = dict[str, Any]
"""A puzzle in the form of reasoning-gym: question, answer and metadata."""


class ReasoningGymTask(PuzzleTask):
    """A task whose puzzles come from a data set of reasoning-gym; its rules are our own.

    Attributes:
        data_set: Name of the data set.
        sized: Configuration of the data set for puzzles of this size.
    """

    data_set: str
    sized: dict[str, Any]

    @abstractmethod
    def tokens_of(self, entry: Entry) -> tuple[Tokens, Tokens]:
        """Returns question and solution of an entry, ``(L,)`` uint8 each."""

    @abstractmethod
    def written(self, answer: Tokens) -> str:
        """Returns an answer ``(L,)`` in the form that reasoning-gym asks for."""

    def entries(self, count: int, rng: np.random.Generator, **config: Any) -> list[Entry]:
        """Generates entries of the data set.

        Args:
            count: Number of entries.
            rng: Random generator that the seed of the data set is drawn from.
            **config: Configuration of the data set beside `sized`.

        Raises:
            DependencyNotInstalled: reasoning-gym is not installed.
        """
        seed = int(rng.integers(2**31))
        made = _library().create_dataset(self.data_set, seed=seed, size=count, **self.sized | config)
        return [made[number] for number in range(count)]

    def puzzles_of(self, entries: list[Entry]) -> Puzzles:
        """Returns entries as puzzles, rated by the number of blanks."""
        inputs, solution = map(np.stack, zip(*map(self.tokens_of, entries), strict=True))
        return Puzzles(inputs, solution, (inputs == self.blank_id).sum(1))

    def score(self, entry: Entry, answer: Tokens) -> float:
        """Returns the score of reasoning-gym's own verifier for an answer ``(L,)``: 1 if it is right, else less.

        Some verifiers call ``eval`` on a wrong answer. What they are given is made of a task's tokens alone.
        """
        return float(_verifier(self.data_set)(self.written(answer), entry))

    def lines(self, tokens: Tokens, names: dict[str, str]) -> str:
        """Returns the rows of a grid as lines, with a space between two cells and other names of characters."""
        cells, width = [names.get(char, char) for char in self.decode(tokens)], self.spec.width
        return "\n".join(" ".join(cells[start : start + width]) for start in range(0, len(cells), width))


def _library() -> Any:
    return optional("reasoning_gym", "reasoning-gym")


@cache
def _verifier(data_set: str) -> Any:
    """Returns the function of an answer's text and an entry that scores the answer; no configuration matters to it."""
    return _library().get_score_answer_fn(data_set)
