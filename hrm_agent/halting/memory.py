"""A policy that remembers one number for each row."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.halting.policy import HaltingPolicy


class RowMemory(HaltingPolicy):
    """Base class of policies that remember one number for each row, ``memory (B,)`` float64, within an episode.

    Args:
        at_start: Value of the number at the start of an episode.
    """

    def __init__(self, at_start: float) -> None:
        self.at_start = at_start
        self.memory = torch.empty(0)

    def reset(self, mask: Tensor) -> None:
        """Forgets the rows that begin an episode."""
        if self.memory.shape != mask.shape:
            self.memory = torch.full(mask.shape, self.at_start, dtype=torch.float64, device=mask.device)
        self.memory = torch.where(mask, self.at_start, self.memory)

    def keep(self, rows: Tensor) -> None:
        """Keeps the numbers of the given rows."""
        self.memory = self.memory[rows]
