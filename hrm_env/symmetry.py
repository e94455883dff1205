"""Symmetries of puzzles: permutations of the cells and of the tokens."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Symmetry(NamedTuple):
    """B symmetries of a puzzle family, one per row.

    Attributes:
        cells: Old index of the cell at each new index, ``(B, L)`` int64.
        tokens: New token for each old one, ``(B, V)`` int64.
    """

    cells: Tensor
    tokens: Tensor

    def apply(self, tokens: Tensor) -> Tensor:
        """Returns the variants of puzzles or answers ``(B, L)`` int64; row b uses symmetry b."""
        return self.tokens.gather(-1, tokens.gather(-1, self.cells))

    def undo(self, tokens: Tensor) -> Tensor:
        """Returns the tokens before `apply`, ``(B, L)``."""
        return self.inverse().apply(tokens)

    def inverse(self) -> Symmetry:
        """Returns the inverse symmetries."""
        return Symmetry(self.cells.argsort(-1), self.tokens.argsort(-1))
