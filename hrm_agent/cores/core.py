"""What a reasoning core is: one segment is one forward pass, nothing else."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Carry(NamedTuple):
    """The hidden state that travels between segments, ``(B, P+L, D)`` each: slow H and fast L."""

    z_h: Tensor
    z_l: Tensor

    def detach(self) -> Carry:
        """The same values outside the graph: deep supervision does not backpropagate between segments."""
        return Carry(self.z_h.detach(), self.z_l.detach())

    def rows(self, index: Tensor) -> Carry:
        """The chosen rows of the batch."""
        return Carry(self.z_h[index], self.z_l[index])


class SegmentOutput(NamedTuple):
    """What one segment gives.

    Attributes:
        carry: The new hidden state.
        logits: Answer logits, ``(B, L, V)`` float32.
        q_halt: Q value of halting, as a logit, ``(B,)`` float32.
        q_continue: Q value of continuing, as a logit, ``(B,)`` float32.
        q_input: What the Q head read, ``(B, D)``.
    """

    carry: Carry
    logits: Tensor
    q_halt: Tensor
    q_continue: Tensor
    q_input: Tensor

    def rows(self, index: Tensor) -> SegmentOutput:
        """The chosen rows of the batch."""
        return SegmentOutput(self.carry.rows(index), *(part[index] for part in self[1:]))


@dataclass(frozen=True)
class PuzzleShape:
    """The sizes a core needs: ``seq_len`` L, ``vocab_size`` V, ``num_puzzle_ids`` rows of puzzle embedding."""

    seq_len: int
    vocab_size: int
    num_puzzle_ids: int = 1


class ReasoningCore(nn.Module):
    """Base class of all cores.

    Attributes:
        shape: The puzzle's sizes.
        cycles: High-level cycles N of a segment and low-level steps T of a cycle. A new core's are those of its config;
            a depth curriculum changes them while training, and nothing else does.
        probabilities: How its answer logits are meant, a name of `hrm_agent.halting.probabilities.LOG_PROBABILITIES`;
            a learner sets that of its token loss.
    """

    shape: PuzzleShape
    cycles: tuple[int, int]
    probabilities: str = "softmax"

    @property
    def passes(self) -> int:
        """How many blocks a row passes through in a segment; N·(T + 1) where each module is one."""
        cycles, steps = self.cycles
        return cycles * (steps + 1)

    @abstractmethod
    def initial_carry(self, batch_size: int) -> Carry:
        """The fixed start state of a batch, on the core's device."""

    def reset_carry(self, carry: Carry, mask: Tensor) -> Carry:
        """Puts the rows where ``mask (B,)`` is True back to the start state."""
        start = self.initial_carry(1)
        where = mask.view(-1, 1, 1)
        return Carry(torch.where(where, start.z_h, carry.z_h), torch.where(where, start.z_l, carry.z_l))

    @abstractmethod
    def forward(self, carry: Carry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """One segment on ``inputs (B, L)`` and ``puzzle_id (B,)``."""

    @abstractmethod
    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of (halt, continue), ``(B,)`` float32 each, from what the Q head reads ``(B, D)``."""
