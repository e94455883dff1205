"""A GRU in every cell that hears from all other cells: a core of another shape than HRM's, without its blocks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hrm_agent.config import GRUConfig
from hrm_agent.cores.core import PuzzleShape, ReasoningCore, SegmentOutput


class GRUCarry(NamedTuple):
    """The one state, ``(B, L, D)``."""

    state: Tensor


class GRUCore(ReasoningCore):
    """In every cell i, at each step: h_i ← GRU([x_i, Σ_j W_ij h_j + b_i], h_i). The answer is read from h."""

    config_class = GRUConfig
    config: GRUConfig

    def __init__(self, shape: PuzzleShape, config: GRUConfig) -> None:
        super().__init__(shape, config)
        self.tokens = nn.Embedding(shape.vocab_size, config.width)
        self.mix = nn.Linear(shape.seq_len, shape.seq_len)
        self.gru = nn.GRUCell(2 * config.width, config.width)
        self.answer_head = nn.Linear(config.width, shape.vocab_size)
        self.q_head = nn.Linear(config.width, 2)

    def initial_carry(self, batch_size: int) -> GRUCarry:
        """Returns zeros."""
        return GRUCarry(torch.zeros(batch_size, self.shape.seq_len, self.config.width, device=self.device))

    def forward(self, carry: GRUCarry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """Computes the steps of a segment."""
        state, x = carry.state, self.tokens(inputs)
        for _ in range(self.config.steps):
            heard = torch.cat([x, self.mix(state.mT).mT], dim=-1)
            state = self.gru(heard.flatten(0, 1), state.flatten(0, 1)).view_as(state)
        mean = state.mean(1)
        return SegmentOutput(GRUCarry(state.detach()), self.answer_head(state), *self.q_values(mean), mean)

    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits of (halt, continue): a linear map of the mean over the cells."""
        q = self.q_head(q_input)
        return q[:, 0], q[:, 1]
