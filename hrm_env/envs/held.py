"""The puzzles in the slots of a batched environment, in an eighth of the memory that tokens have as int64."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_env.task import PuzzleBatch


class HeldPuzzles:
    """Holds the puzzles of B slots.

    Args:
        batch: The puzzles.

    Attributes:
        compact: The puzzles with tokens as uint8 and ids as int32, in tensors that change when slots are refilled.
    """

    def __init__(self, batch: PuzzleBatch) -> None:
        types = (torch.uint8, torch.uint8, torch.int32)
        self.compact = PuzzleBatch(*(x.to(dtype, copy=True) for x, dtype in zip(batch, types, strict=True)))
        self._shown: PuzzleBatch | None = None

    def shown(self) -> PuzzleBatch:
        """Returns the puzzles as int64, in tensors that a caller may hold: they stay as they are."""
        if self._shown is None:
            self._shown = PuzzleBatch(*(tensor.long() for tensor in self.compact))
        return self._shown

    def replace_rows(self, rows: Tensor, fresh: PuzzleBatch) -> None:
        """Puts R fresh puzzles into the slots ``rows (R,)``."""
        for tensor, new in zip(self.compact, fresh, strict=True):
            tensor.index_copy_(0, rows, new.to(tensor.dtype))
        self._shown = None

    def replace_where(self, mask: Tensor, fresh: PuzzleBatch) -> None:
        """Puts fresh puzzles, B of them, into the slots that ``mask (B,)`` marks, without waiting for a device."""
        for tensor, new in zip(self.compact, fresh, strict=True):
            marked = mask.unsqueeze(1) if tensor.dim() > 1 else mask
            tensor.copy_(torch.where(marked, new.to(tensor.dtype), tensor))
        self._shown = None
