"""What turns a puzzle into an equal one: cells that change places and tokens that change names."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Symmetry(NamedTuple):
    """B symmetries of a puzzle family, one a row.

    Attributes:
        cells: The old cell that stands at each new one, ``(B, L)`` int64.
        tokens: The new token of each old one, ``(B, V)`` int64.
    """

    cells: Tensor
    tokens: Tensor

    def apply(self, tokens: Tensor) -> Tensor:
        """The variants of puzzles or answers ``(B, L)`` int64, each by its own row."""
        return self.tokens.gather(-1, tokens.gather(-1, self.cells))

    def undo(self, tokens: Tensor) -> Tensor:
        """What was there before `apply`, ``(B, L)``."""
        return self.inverse().apply(tokens)

    def inverse(self) -> Symmetry:
        """The symmetries that lead back."""
        return Symmetry(self.cells.argsort(-1), self.tokens.argsort(-1))
