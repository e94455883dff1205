"""What a position of a core's state stands for: a cell, or a candidate of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.config import BlockConfig
from hrm_agent.cores.core import PuzzleShape

NEVER = -1e4
"""Logit of a token that cannot be right."""
DIGITS_FROM = 2
"""First token of a digit; the tokens before it are padding and blank."""


class Layout(Protocol):
    """How puzzles enter a state and answers leave it.

    Attributes:
        positions: Positions of a state.
        vocab_size: Tokens that the embedding knows.
        scores: What a head that is read by `read` gives for a position.
    """

    @property
    def positions(self) -> int: ...  # noqa: D102
    @property
    def vocab_size(self) -> int: ...  # noqa: D102
    @property
    def scores(self) -> int: ...  # noqa: D102

    def tokens(self, inputs: Tensor) -> Tensor:
        """Returns what is embedded of a puzzle ``(B, L)``, without the positions in front of it."""

    def features(self, marks: Tensor) -> Tensor:
        """Returns marks of every token of every cell, ``(B, L, V)``, as ``scores`` features of each position."""

    def read(self, head: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
        """Returns what a head says of every token of every cell, ``(B, L, V)``."""

    def summary(self, state: Tensor) -> Tensor:
        """Returns what stands for the whole state ``(B, positions, D)``, ``(B, D)``."""


@dataclass(frozen=True)
class CellLayout:
    """A position is a cell. P positions in front of the puzzle hold its embedding; the first stands for the whole.

    Attributes:
        prefix: Positions P in front of the puzzle.
        length: Cells L.
        vocab_size: Tokens V.
    """

    prefix: int
    length: int
    vocab_size: int

    @property
    def positions(self) -> int:
        """P + L."""
        return self.prefix + self.length

    @property
    def scores(self) -> int:
        """One for every token."""
        return self.vocab_size

    def tokens(self, inputs: Tensor) -> Tensor:
        """Returns the puzzle as it is."""
        return inputs

    def features(self, marks: Tensor) -> Tensor:
        """Returns the marks of each cell, and zeros in front of the puzzle."""
        return F.pad(marks, (0, 0, self.prefix, 0))

    def read(self, head: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
        """Returns what the head says of the puzzle's positions."""
        return head(state[:, self.prefix :])

    def summary(self, state: Tensor) -> Tensor:
        """Returns the first position."""
        return state[:, 0]


@dataclass(frozen=True)
class GridLayout(CellLayout):
    """A position is a cell, and none differs from the others: the mean of all stands for the whole."""

    def summary(self, state: Tensor) -> Tensor:
        """Returns the mean over all cells."""
        return state.mean(1)


@dataclass(frozen=True)
class CandidateLayout:
    """A position is a candidate: one digit of one cell. The mean of all stands for the whole.

    What is embedded of a candidate is one of three: its cell is blank, its digit is given there, or another digit is.
    No digit and no cell has weights of its own (arXiv 2603.02193, of digits), so that a core whose mixer treats all
    alike answers a relabelled puzzle with the relabelled answer.

    Attributes:
        digits: Digits K; the puzzle has L = K² cells.
    """

    digits: int

    @property
    def positions(self) -> int:
        """L · K, the digits of a cell beside each other."""
        return self.digits**3

    @property
    def vocab_size(self) -> int:
        """Blank, given, another is given."""
        return 3

    @property
    def scores(self) -> int:
        """One for a candidate."""
        return 1

    def tokens(self, inputs: Tensor) -> Tensor:
        """Returns the candidates' tokens, ``(B, L·K)``."""
        digit = torch.arange(DIGITS_FROM, DIGITS_FROM + self.digits, device=inputs.device)
        cell = inputs.unsqueeze(-1)
        return torch.where(cell < DIGITS_FROM, 0, torch.where(cell == digit, 1, 2)).flatten(1)

    def features(self, marks: Tensor) -> Tensor:
        """Returns the mark of each candidate, ``(B, L·K, 1)``."""
        return marks[:, :, DIGITS_FROM:].flatten(1).unsqueeze(-1)

    def read(self, head: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
        """Returns what the head says of each candidate; padding and blank are never right."""
        return F.pad(head(state).squeeze(-1).unflatten(1, (-1, self.digits)), (DIGITS_FROM, 0), value=NEVER)

    def summary(self, state: Tensor) -> Tensor:
        """Returns the mean over all candidates."""
        return state.mean(1)


def layout_of(shape: PuzzleShape, config: BlockConfig) -> Layout:
    """Returns the layout that the mixer asks for.

    Raises:
        ValueError: The mixer asks for another shape of puzzles.
    """
    if config.box is not None:
        return _candidates(shape, config.box)
    if config.mixer == "neighbours":
        return _grid(shape, cast(int, config.grid_columns))
    return CellLayout(config.puzzle_positions, shape.seq_len, shape.vocab_size)


def _candidates(shape: PuzzleShape, box: tuple[int, int]) -> CandidateLayout:
    digits = box[0] * box[1]
    if (shape.seq_len, shape.vocab_size) != (digits**2, digits + DIGITS_FROM):
        raise ValueError(
            f"box: expected a puzzle of {digits**2} cells and {digits + DIGITS_FROM} tokens for boxes of "
            f"{box[0]} by {box[1]}, found {shape.seq_len} cells and {shape.vocab_size} tokens"
        )
    return CandidateLayout(digits)


def _grid(shape: PuzzleShape, columns: int) -> GridLayout:
    if shape.seq_len % columns:
        raise ValueError(f"grid_columns: expected a divisor of the puzzle's {shape.seq_len} cells, found {columns}")
    return GridLayout(0, shape.seq_len, shape.vocab_size)
