"""One module at one time scale: a recurrent network, a recurrent transformer, or a transformer, of HRM's blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.config import RecurrentTransformerConfig, RNNConfig, TransformerConfig
from hrm_agent.cores.blocks import BlockCore
from hrm_agent.cores.core import InnerStep, PuzzleShape


class RNNCarry(NamedTuple):
    """The one state, ``(B, P+L, D)``."""

    z: Tensor


class RNNCore(BlockCore):
    """k times z ← f(z + x), from z = 0; the answer is read from z.

    With ``injection="first-step"`` x is added at the first step of a segment alone.
    """

    config_class = RNNConfig
    config: RNNConfig

    def __init__(self, shape: PuzzleShape, config: RNNConfig) -> None:
        super().__init__(shape, config)
        self.network = self.stack(config.layers)

    def inner_steps(self) -> list[InnerStep]:
        """Returns the steps; of a segment of one step its blocks, whose states are no part of the carry."""
        steps = math.prod(self.cycles)
        if steps > 1:
            return [InnerStep("z", self.network)] * steps
        return [InnerStep("layer", block) for block in self.network.blocks]

    def decode(self, states: Mapping[str, Tensor], last: str) -> Tensor:
        """Returns f_O of the state that the step has changed."""
        return self.answer(states[last])

    def initial_carry(self, batch_size: int) -> RNNCarry:
        """Returns zeros."""
        size = (batch_size, *self.state_shape)
        return RNNCarry(torch.zeros(size, dtype=self.activation_dtype, device=self.device))

    def think(self, carry: RNNCarry, x: Tensor) -> tuple[RNNCarry, Tensor]:
        """Computes the k steps."""
        (z,) = carry
        for step in range(math.prod(self.cycles)):
            with self.gradient_at(step):
                z = self.network(z, x)
            if self.config.injection == "first-step":
                x = torch.zeros_like(x)
        return RNNCarry(z), z


class RecurrentTransformerCore(RNNCore):
    """The same core with the defaults of `RecurrentTransformerConfig`."""

    config_class = RecurrentTransformerConfig


class TransformerCore(RNNCore):
    """The same core with the defaults of `TransformerConfig`: z ← f(z + x), once."""

    config_class = TransformerConfig
