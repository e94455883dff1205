"""What a puzzle family is: its sizes, its batches, and the base class of every task."""

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
"""Token of positions outside the puzzle. As a label it means "not graded", for every task."""


LONGEST_NAME = 200
"""Characters of a task's name, at most."""


def is_task_name(name: object) -> bool:
    """Whether a task may have that name."""
    return isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME


@dataclass(frozen=True)
class PuzzleSpec:
    """Sizes of a puzzle family.

    Attributes:
        name: The task's own name with its size, such as ``"sudoku:3x3"``; a checkpoint remembers it.
        height: Rows of the drawn grid.
        width: Columns of the drawn grid.
        vocab_size: Number of tokens V; tokens are ``0..V-1`` and 0 is `PAD_ID`.

    Raises:
        ValueError: A size is no count, or larger than `MOST_CELLS` or `MOST_TOKENS`; or the name is none that a
            checkpoint can remember.
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
        """All of a set of puzzles, on the CPU."""
        return cls(*(torch.as_tensor(a).long() for a in (puzzles.inputs, puzzles.solution, puzzles.puzzle_id)))


class PuzzleTask(ABC):
    """A puzzle family: how to make, read, check, vary and draw its puzzles.

    A subclass sets `spec`, `alphabet` and optionally `blank`, and implements `generate` and `satisfies_rules`.
    Everything else has a default that fits a grid of characters. Methods that run inside the environment's step
    (`check`, `augment`) work on torch tensors of any device; everything else is numpy.

    Attributes:
        spec: The sizes.
        alphabet: The characters of tokens 1, 2, ... in text files.
        blank: The character of a cell that the agent must fill, or None where no cell is blank.
        style: How the cells are drawn.
    """

    spec: PuzzleSpec
    alphabet: str
    blank: str | None = None
    style: Style = Style()

    @abstractmethod
    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        """Makes puzzles.

        A subclass may add keyword options (as Sudoku's ``clues``); ``gym.make(id, clues=30)`` passes them on.

        Args:
            count: How many.
            rng: The only source of randomness.
        """

    @abstractmethod
    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Whether each answer is a finished puzzle by the rules alone, ``(B,)`` bool; givens are checked apart."""

    def keeps_givens(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Whether each answer leaves the given cells as they are, ``(B,)`` bool."""
        return ((answer == inputs) | (inputs == self.blank_id)).all(-1)

    def check(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Whether each answer ``(B, L)`` solves its puzzle ``(B, L)``, without the stored solution: ``(B,)`` bool."""
        return self.keeps_givens(inputs, answer) & self.satisfies_rules(inputs, answer)

    def answer_cells(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """The cells that each answer ``(B, L)`` consists of, as far as is known without the solution: ``(B, L)`` bool.

        By default the puzzle's own, where ``inputs (B, L)`` is not `PAD_ID`. A task whose answers may have another size
        than the puzzle says which cells an answer fills.
        """
        return inputs != PAD_ID

    def count_solutions(self, inputs: Tokens) -> npt.NDArray[np.int32]:
        """The number of solutions of each puzzle ``(N, L)`` uint8, counted up to 2: ``(N,)`` int32.

        Raises:
            ValueError: The task has no solver.
        """
        raise ValueError(f"{self.spec.name}: expected a task with a solver, found none")

    def symmetries(self, count: int, generator: torch.Generator) -> Symmetry | None:
        """Random symmetries, one a row, on the generator's device; None, the default, where the family has none."""
        return None

    def augment(self, batch: PuzzleBatch, generator: torch.Generator) -> PuzzleBatch:
        """A random variant of each puzzle, on the batch's device.

        The default applies `symmetries`; a subclass may vary puzzles in other ways, too.
        """
        symmetry = self.symmetries(len(batch.inputs), generator)
        if symmetry is None:
            return batch
        return batch._replace(inputs=symmetry.apply(batch.inputs), solution=symmetry.apply(batch.solution))

    def symmetry_key(self, inputs: Tokens) -> npt.NDArray[np.uint64]:
        """A number for each puzzle ``(N, L)`` that all its symmetric variants share, ``(N,)`` uint64.

        Generated puzzles go to the training or the test split by this number, so no test puzzle is a variant of a
        training puzzle. The default knows no symmetry: a hash of the tokens.
        """
        return np.array([zlib.crc32(row.tobytes()) for row in inputs], dtype=np.uint64)

    @property
    def blank_id(self) -> int:
        """Token of `blank`; -1, which no cell holds, where the task has none."""
        return -1 if self.blank is None else self.alphabet.index(self.blank) + 1

    def encode(self, text: str) -> Tokens:
        """Tokens ``(L,)`` uint8 of a puzzle's text.

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
        """Text of tokens ``(L,)``; `PAD_ID` becomes ``_``."""
        symbols = "_" + self.alphabet
        return "".join(symbols[int(token)] for token in np.asarray(tokens))

    def file_reader(self, path: Path) -> Callable[..., Puzzles] | None:
        """Returns the reader of a file or folder in the task's own format; None, the default, for any other path.

        The reader is called as ``reader(task, path, **options)``. Its keyword-only arguments are the source's options.
        """
        return None

    @property
    def boxes(self) -> tuple[int, int]:
        """Rows and columns between the thick lines of a drawing; the whole grid unless the task has boxes."""
        return self.spec.height, self.spec.width

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """The cells ``(L,)`` at which an answer ``(L,)`` breaks a rule, to be marked in drawings; by default none."""
        return np.zeros(len(answer), dtype=np.bool_)
