"""The rows of a CSV file: their tokens, their validity, and what is wrong with a bad one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hrm_env.checks import shortened
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.task import PuzzleTask

_INTEGER = re.compile(r"\s*-?[0-9]{1,9}\s*")  # fits int32
_UNKNOWN = 255  # stands for a character outside the alphabet


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        line: Line number, from 1.
        fields: Texts of the columns.
        size: Number of characters of the line.
    """

    line: int
    fields: list[str]
    size: int


@dataclass(frozen=True)
class RowReader:
    """Reads and checks rows.

    Attributes:
        task: The puzzle family; it defines length, alphabet and solutions.
        question: Position of the column ``question``.
        answer: Position of the column ``answer``.
        rating: Position of the column ``rating``, or None if the file has none.
        unique: Treat a puzzle without exactly one solution as a bad row.
    """

    task: PuzzleTask
    question: int
    answer: int
    rating: int | None
    unique: bool

    def rated_between(self, table: Iterable[Row], lowest: int | None, highest: int | None) -> Iterator[Row]:
        """Yields the rows whose rating lies within the bounds (inclusive), and those whose rating cannot be read."""
        for row in table:
            rating = self._rating(row.fields)
            if rating is None or ((lowest is None or lowest <= rating) and (highest is None or rating <= highest)):
                yield row

    def read(self, table: Sequence[Row]) -> tuple[Puzzles, npt.NDArray[np.bool_]]:
        """Returns the puzzles of the good rows, and the mask ``(N,)`` bool of the good rows."""
        ratings = [self._rating(row.fields) if self._fits(row.fields) else None for row in table]
        good = np.array([rating is not None for rating in ratings], dtype=np.bool_)
        rating = np.array([rating for rating in ratings if rating is not None], dtype=np.int32)
        fields = [table[row].fields for row in np.flatnonzero(good).tolist()]
        inputs = _encode(self.task, [row[self.question] for row in fields])
        solution = _encode(self.task, [row[self.answer] for row in fields])
        right = self._right(inputs, solution)
        good[good] = right
        return Puzzles(inputs[right], solution[right], rating[right]), good

    def problem(self, row: Row) -> str:
        """Returns one sentence that says what was expected of a bad row and what was found."""
        fields = row.fields
        if len(fields) < self._columns:
            return f"expected {self._columns} columns, found {len(fields)}"
        asked, answered = fields[self.question], fields[self.answer]
        for name, text in (("question", asked), ("answer", answered)):
            try:
                self.task.encode(text)
            except ValueError as error:
                return f"{name}: {error}"
        if self._rating(fields) is None:
            found = fields[self.rating or 0]
            return f"rating: expected an integer of at most 9 digits, found {shortened(found)}"
        inputs, solution = (_encode(self.task, [text]) for text in (asked, answered))
        if self._solved(inputs, solution).all():
            return "question: expected a puzzle with one solution, found several"
        for cell, (given, answer) in enumerate(zip(asked, answered, strict=True), start=1):
            if given not in (answer, self.task.blank):
                return f"answer: expected the given {given!r} at cell {cell}, found {answer!r}"
        found = shortened(answered)
        return f"answer: expected a solution by the rules of {self.task.spec.name}, found {found}, which breaks them"

    @cached_property
    def _columns(self) -> int:
        return max(self.question, self.answer, -1 if self.rating is None else self.rating) + 1

    def _fits(self, fields: list[str]) -> bool:
        """Returns whether the row has all columns, and question and answer have the right length."""
        length = self.task.spec.seq_len
        return len(fields) >= self._columns and len(fields[self.question]) == length == len(fields[self.answer])

    def _rating(self, fields: list[str]) -> int | None:
        """Returns the rating of a row, 0 if the file has no ratings, None if it cannot be read."""
        if self.rating is None:
            return 0
        text = fields[self.rating] if self.rating < len(fields) else ""
        return int(text) if _INTEGER.fullmatch(text) else None

    def _right(self, inputs: Tokens, solution: Tokens) -> npt.NDArray[np.bool_]:
        """Returns which rows ``(N, L)`` hold known characters and a puzzle with its solution, ``(N,)`` bool."""
        right: npt.NDArray[np.bool_] = ((inputs != _UNKNOWN) & (solution != _UNKNOWN)).all(axis=1)
        right[right] = self._solved(inputs[right], solution[right])
        if self.unique:
            right[right] = self.task.count_solutions(inputs[right]) == 1
        return right

    def _solved(self, inputs: Tokens, solution: Tokens) -> npt.NDArray[np.bool_]:
        solved = self.task.check(torch.tensor(inputs).long(), torch.tensor(solution).long())
        return np.asarray(solved)


def _encode(task: PuzzleTask, texts: Sequence[str]) -> Tokens:
    """Returns the tokens ``(N, L)`` of texts of length L, `_UNKNOWN` for characters outside the alphabet."""
    letters = [ord(char) for char in task.alphabet]
    table = np.full(max(letters) + 2, _UNKNOWN, dtype=np.uint8)
    table[letters] = np.arange(1, len(letters) + 1)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4")
    tokens: Tokens = table[np.minimum(codes, max(letters) + 1)]
    return tokens.reshape(len(texts), task.spec.seq_len)
