"""Bring your own core: one state for the whole puzzle, from the network to a trained agent."""

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import torch
from torch import Tensor, nn

from hrm_agent import HRM, CoreConfig, PuzzleShape, ReasoningCore, SegmentOutput, register_core

Carry = dict[str, Tensor]


@dataclass(frozen=True)
class VectorConfig(CoreConfig):
    """Width D of the state."""

    name: ClassVar[str] = "vector"
    width: int = 256

    def __post_init__(self) -> None:
        """Refuses sizes that no file may ask for."""
        if type(self.width) is not int or not 1 <= self.width <= 4096:
            raise ValueError(f"width: expected an integer from 1 to 4096, found {self.width!r}")


@register_core
class VectorCore(ReasoningCore):
    """h ← GRU(x, h), where x holds the tokens of all cells and the answer of every cell is read from h."""

    config_class = VectorConfig
    config: VectorConfig

    def __init__(self, shape: PuzzleShape, config: VectorConfig) -> None:
        super().__init__(shape, config)
        self.tokens = nn.Embedding(shape.vocab_size, 16)
        self.gru = nn.GRUCell(16 * shape.seq_len, config.width)
        self.answer_head = nn.Linear(config.width, shape.seq_len * shape.vocab_size)
        self.q_head = nn.Linear(config.width, 2)

    def initial_carry(self, batch_size: int) -> Carry:
        """Returns zeros."""
        return {"state": torch.zeros(batch_size, self.config.width, device=self.device)}

    def forward(self, carry: Carry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """Computes a segment: one step."""
        state = self.gru(self.tokens(inputs).flatten(1), carry["state"])
        logits = self.answer_head(state).unflatten(1, (self.shape.seq_len, -1))
        return SegmentOutput({"state": state.detach()}, logits, *self.q_values(state), state)

    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits of (halt, continue)."""
        q = self.q_head(q_input)
        return q[:, 0], q[:, 1]


if __name__ == "__main__":
    learning: dict[str, Any] = {"learning_rate": 5e-3, "optimizer": "adamw", "halting": "q-threshold:0.9", "seed": 0}
    model = HRM("HRMPolicy", "HRM-Copy-v0", n_envs=64, policy_kwargs={"core": "vector"}, **learning)
    model.learn(64 * 400, progress_bar=True)
    print(model.evaluate(gym.make_vec("HRM-Copy-v0", num_envs=64, order="once", split="test")).summary())
