"""The Hierarchical Reasoning Model (arXiv 2506.21734): a slow module H and a fast module L."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.config import HRMConfig
from hrm_agent.cores.blocks import BlockCore
from hrm_agent.cores.core import InnerStep, PuzzleShape
from hrm_agent.cores.layers import ReasoningModule, truncated_normal_


class HRMCarry(NamedTuple):
    """The hidden state that travels between segments, ``(B, P+L, D)`` each: slow H and fast L."""

    z_h: Tensor
    z_l: Tensor


class HRMCore(BlockCore):
    """One segment of HRM: N cycles of T fast steps and one slow step, then the answer and the Q values.

    z_L ← f_L(z_L, z_H + x) at every step, z_H ← f_H(z_H, z_L) at the end of every cycle (paper, section 2). Without
    blocks of its own H is the network of L: f_H = f_L, which makes it TRM (`TRMConfig`).
    """

    config_class = HRMConfig
    config: HRMConfig
    start_h: Tensor
    start_l: Tensor
    h_module: ReasoningModule

    def __init__(self, shape: PuzzleShape, config: HRMConfig) -> None:
        super().__init__(shape, config)
        if config.h_layers:
            self.h_module = self.stack(config.h_layers)
        self.l_module = self.stack(config.l_layers)
        if not config.h_layers:
            self.__dict__["h_module"] = self.l_module  # one network under both names, registered once
        self.register_buffer("start_h", truncated_normal_(torch.empty(config.hidden_size), 1.0))
        self.register_buffer("start_l", truncated_normal_(torch.empty(config.hidden_size), 1.0))

    def inner_steps(self) -> list[InnerStep]:
        """Returns N times T steps of L and one of H."""
        cycles, steps = self.cycles
        return ([InnerStep("z_l", self.l_module)] * steps + [InnerStep("z_h", self.h_module)]) * cycles

    def decode(self, states: Mapping[str, Tensor], last: str) -> Tensor:
        """Returns f_O(z_H) after a step of H, and f_O(f_H(z_H, z_L)) after one of L (paper, figure 7)."""
        return self.answer(states["z_h"] if last == "z_h" else self.h_module(states["z_h"], states["z_l"]))

    def initial_carry(self, batch_size: int) -> HRMCarry:
        """Returns the two fixed start vectors, broadcast over batch and positions."""
        size = (batch_size, *self.state_shape)
        return HRMCarry(*(start.to(self.activation_dtype).expand(size) for start in (self.start_h, self.start_l)))

    def think(self, carry: HRMCarry, x: Tensor) -> tuple[HRMCarry, Tensor]:
        """Computes the N cycles; the answer is read from z_H."""
        z_h, z_l = carry
        cycles, steps = self.cycles
        for step in range(cycles * steps):
            with self.gradient_at(step):
                z_l = self.l_module(z_l, z_h + x)
                if (step + 1) % steps == 0:
                    z_h = self.h_module(z_h, z_l)
        return HRMCarry(z_h, z_l), z_h
