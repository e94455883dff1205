"""A policy with one remembered number a row."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.halting.policy import HaltingPolicy


class RowMemory(HaltingPolicy):
    """Base class of policies that remember one number a row, ``memory (B,)`` float64, within an episode.

    Args:
        at_start: What it is when an episode begins.
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
        """The rows that remain keep their number."""
        self.memory = self.memory[rows]
