"""Bring your own core: a GRU in every cell that hears from all other cells, from the network to a trained agent."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import torch
from torch import Tensor, nn

from hrm_agent import HRM, CoreConfig, PuzzleShape, ReasoningCore, SegmentOutput, register_core


@dataclass(frozen=True)
class GRUConfig(CoreConfig):
    """Width D of the state and steps T of a segment."""

    name: ClassVar[str] = "gru"
    width: int = 64
    steps: int = 2

    def __post_init__(self) -> None:
        """Refuses sizes that no file may ask for."""
        for name, highest in (("width", 4096), ("steps", 1024)):
            if type(size := getattr(self, name)) is not int or not 1 <= size <= highest:
                raise ValueError(f"{name}: expected an integer from 1 to {highest}, found {size!r}")

    @property
    def passes(self) -> int:
        """Steps of a cell in a segment."""
        return self.steps


class GRUCarry(NamedTuple):
    """The one state, ``(B, L, D)``."""

    state: Tensor


@register_core
class GRUCore(ReasoningCore):
    """T times in every cell i: h_i ← GRU([x_i, Σ_j W_ij h_j + b_i], h_i). The answer is read from h."""

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
        """Computes the T steps of a segment."""
        state, x = carry.state, self.tokens(inputs)
        for _ in range(self.config.steps):
            heard = torch.cat([x, self.mix(state.mT).mT], dim=-1)
            state = self.gru(heard.flatten(0, 1), state.flatten(0, 1)).view_as(state)
        mean = state.mean(1)
        return SegmentOutput(GRUCarry(state.detach()), self.answer_head(state), *self.q_values(mean), mean)

    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits of (halt, continue)."""
        q = self.q_head(q_input)
        return q[:, 0], q[:, 1]


LEARNING: dict[str, Any] = {"learning_rate": 5e-3, "lr_min_ratio": 0.1, "warmup_steps": 20, "optimizer": "adamw"}

if __name__ == "__main__":
    model = HRM("HRMPolicy", "HRM-Sudoku4x4-v0", n_envs=64, policy_kwargs={"core": "gru"}, seed=0, **LEARNING)
    model.learn(64 * 300, progress_bar=True)
    print(model.evaluate(gym.make_vec("HRM-Sudoku4x4-v0", num_envs=64, order="once", split="test")).summary())
