"""Puzzle families: their sizes, their batches, and the base class of every task."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.checks import check_integer, shortened
from hrm_env.puzzles import MOST_CELLS, MOST_TOKENS, Puzzles, Tokens
from hrm_env.style import Style
from hrm_env.symmetry import Symmetry

PAD_ID = 0
"""Token of positions outside the puzzle. In a solution it means "not graded", for every task."""


LONGEST_NAME = 200
"""Longest name of a task, in characters."""


def is_task_name(name: object) -> bool:
    """Returns whether a task may have this name."""
    return isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME


@dataclass(frozen=True)
class PuzzleSpec:
    """Sizes of a puzzle family.

    Attributes:
        name: Name of the task with its size, such as ``"sudoku:3x3"``; checkpoints store it.
        height: Rows of the drawn grid.
        width: Columns of the drawn grid.
        vocab_size: Number of tokens V; tokens are ``0..V-1`` and 0 is `PAD_ID`.

    Raises:
        ValueError: A size is no positive integer, or larger than `MOST_CELLS` or `MOST_TOKENS`; or a checkpoint cannot
            store the name.
    """

    name: str
    height: int
    width: int
    vocab_size: int

    def __post_init__(self) -> None:
        """Checks name and sizes."""
        if not is_task_name(self.name):
            raise ValueError(f"name: expected up to {LONGEST_NAME} printable characters, found {shortened(self.name)}")
        for name in ("height", "width"):
            check_integer(name, getattr(self, name), 1)
        check_integer("vocab_size", self.vocab_size, 2, MOST_TOKENS)
        check_integer("height times width", self.seq_len, 1, MOST_CELLS)

    @property
    def seq_len(self) -> int:
        """Number of tokens L of a puzzle."""
        return self.height * self.width


class PuzzleBatch(NamedTuple):
    """A batch of puzzles on one device.

    Attributes:
        inputs: Tokens shown to the agent, ``(B, L)`` int64.
        solution: Answer tokens, ``(B, L)`` int64; `PAD_ID` where nothing is graded.
        puzzle_id: Row of the puzzle-embedding table, ``(B,)`` int64.
    """

    inputs: Tensor
    solution: Tensor
    puzzle_id: Tensor

    @classmethod
    def of(cls, puzzles: Puzzles) -> PuzzleBatch:
        """Returns a whole set of puzzles as one batch on the CPU."""
        return cls(*(torch.as_tensor(a).long() for a in (puzzles.inputs, puzzles.solution, puzzles.puzzle_id)))


class PuzzleTask(ABC):
    """A puzzle family: how its puzzles are made, read, checked, varied and drawn.

    A subclass sets `spec`, `alphabet` and optionally `blank`, and implements `generate` and `satisfies_rules`.
    All other methods have defaults that fit a grid of characters. Methods that run inside the environment's step
    (`check`, `augment`) work on torch tensors on any device; all others use numpy.

    Attributes:
        spec: The sizes.
        alphabet: Characters of tokens 1, 2, ... in text files.
        blank: Character of a cell that the agent must fill, or None if no cell is blank.
        style: Drawing style of the cells.
    """

    spec: PuzzleSpec
    alphabet: str
    blank: str | None = None
    style: Style = Style()

    @abstractmethod
    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        """Makes puzzles.

        A subclass may add keyword options (such as Sudoku's ``clues``); ``gym.make(id, clues=30)`` passes them on.

        Args:
            count: Number of puzzles.
            rng: The only source of randomness.
        """

    @abstractmethod
    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether each answer obeys the rules, ``(B,)`` bool. `keeps_givens` checks the givens."""

    def keeps_givens(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether each answer keeps the given cells, ``(B,)`` bool."""
        return ((answer == inputs) | (inputs == self.blank_id)).all(-1)

    def check(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether each answer ``(B, L)`` solves its puzzle ``(B, L)`` by the rules, ``(B,)`` bool."""
        return self.keeps_givens(inputs, answer) & self.satisfies_rules(inputs, answer)

    def answer_cells(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns the cells that each answer ``(B, L)`` occupies, without reading the solution: ``(B, L)`` bool.

        The default returns the puzzle's cells: those where ``inputs (B, L)`` is not `PAD_ID`. A task whose answers may
        have another size than the puzzle overrides it.
        """
        return inputs != PAD_ID

    def count_solutions(self, inputs: Tokens) -> npt.NDArray[np.int32]:
        """Counts the solutions of each puzzle ``(N, L)`` uint8 up to 2: ``(N,)`` int32.

        Raises:
            ValueError: The task has no solver.
        """
        raise ValueError(f"{self.spec.name}: expected a task with a solver, found none")

    def symmetries(self, count: int, generator: torch.Generator) -> Symmetry | None:
        """Draws random symmetries on the generator's device, one per row; None, the default, if the family has none."""
        return None

    def augment(self, batch: PuzzleBatch, generator: torch.Generator) -> PuzzleBatch:
        """Returns a random variant of each puzzle, on the batch's device.

        The default applies `symmetries`; a subclass may vary puzzles in other ways.
        """
        symmetry = self.symmetries(len(batch.inputs), generator)
        if symmetry is None:
            return batch
        return batch._replace(inputs=symmetry.apply(batch.inputs), solution=symmetry.apply(batch.solution))

    def symmetry_key(self, inputs: Tokens) -> npt.NDArray[np.uint64]:
        """Returns a number for each puzzle ``(N, L)`` that all its symmetric variants share, ``(N,)`` uint64.

        This number assigns generated puzzles to the training or the test split, so no test puzzle is a variant of a
        training puzzle. The default hashes the tokens, which fits a family without symmetries.
        """
        return np.array([zlib.crc32(row.tobytes()) for row in inputs], dtype=np.uint64)

    @property
    def blank_id(self) -> int:
        """Token of `blank`; -1, which no cell holds, if the task has none."""
        return -1 if self.blank is None else self.alphabet.index(self.blank) + 1

    def encode(self, text: str) -> Tokens:
        """Returns the tokens ``(L,)`` uint8 of a puzzle's text.

        Raises:
            ValueError: The text has another length or a character outside the alphabet.
        """
        if len(text) != self.spec.seq_len:
            raise ValueError(f"expected {self.spec.seq_len} characters, found {len(text)}")
        unknown = next((char for char in text if char not in self.alphabet), None)
        if unknown is not None:
            raise ValueError(f"expected characters of {self.alphabet!r}, found {unknown!r}")
        return np.array([self.alphabet.index(char) + 1 for char in text], dtype=np.uint8)

    def decode(self, tokens: npt.ArrayLike) -> str:
        """Returns the text of tokens ``(L,)``; `PAD_ID` becomes ``_``."""
        symbols = "_" + self.alphabet
        return "".join(symbols[int(token)] for token in np.asarray(tokens))

    def file_reader(self, path: Path) -> Callable[..., Puzzles] | None:
        """Returns the reader of a file or folder in the task's own format; None, the default, for any other path.

        The reader is called as ``reader(task, path, **options)``. Its keyword-only arguments are the source's options.
        """
        return None

    @property
    def boxes(self) -> tuple[int, int]:
        """Rows and columns between the thick lines of a drawing; the whole grid if the task has no boxes."""
        return self.spec.height, self.spec.width

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Returns the cells ``(L,)`` bool to mark because an answer ``(L,)`` breaks a rule there; by default none."""
        return np.zeros(len(answer), dtype=np.bool_)
