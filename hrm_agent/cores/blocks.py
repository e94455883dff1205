"""What the cores that are built of the same blocks share: embedding, blocks, precision, gradient, answer and Q head."""

from __future__ import annotations

import math
from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrm_agent.config import BlockConfig, CoreConfig, Precision, PrecisionOrAuto
from hrm_agent.cores.carry import Carry, map_parts
from hrm_agent.cores.core import CompiledPiece, PuzzleShape, ReasoningCore, SegmentOutput
from hrm_agent.cores.layers import (
    Attention,
    Block,
    Linear,
    PositionMixer,
    ReasoningModule,
    RotaryEmbedding,
    SwiGLU,
    truncated_normal_,
    weights_cast_once,
)
from hrm_agent.cores.layout import layout_of
from hrm_agent.cores.neighbours import NeighbourMixer
from hrm_agent.cores.units import UnitMixer


def precision(chosen: PrecisionOrAuto) -> Precision:
    """Returns the precision that is meant: for ``"auto"`` bfloat16 where the hardware multiplies matrices in it."""
    if chosen != "auto":
        return chosen
    on_cpu = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bfloat16" if on_cpu or torch.cuda.is_available() else "float32"


def position_coordinates(prefix: int, cells: int, width: int | None) -> list[list[int]]:
    """Returns where each position lies: its number; or, in a grid of ``width`` columns, its row and its column.

    The ``prefix`` positions in front of the puzzle lie on the diagonal before the grid.
    """
    if width is None:
        return [[position] for position in range(prefix + cells)]
    grid = [[prefix + cell // width, prefix + cell % width] for cell in range(cells)]
    return [[position, position] for position in range(prefix)] + grid


def own_rows(coordinates: list[list[int]]) -> list[list[int]]:
    """Returns, for the coordinates of each position, rows of a table in which each coordinate has rows of its own."""
    first = 1 + max(position[0] for position in coordinates)
    return [[value + number * first for number, value in enumerate(position)] for position in coordinates]


class BlockCore(ReasoningCore):
    """Base class of the cores whose modules are stacks of `Block`; a subclass builds and applies the modules."""

    config: BlockConfig
    cycles: tuple[int, int]
    position_index: Tensor

    def __init__(self, shape: PuzzleShape, config: BlockConfig) -> None:
        super().__init__(shape, config)
        config = self.config
        dim, prefix = config.hidden_size, config.puzzle_positions
        self.layout = layout_of(shape, config)
        self.state_shape = (self.layout.positions, dim)
        self.activation_dtype: torch.dtype = getattr(torch, config.dtype)
        self.embed_scale = math.sqrt(dim)

        tokens = torch.empty(self.layout.vocab_size, dim)
        self.token_embedding = nn.Parameter(truncated_normal_(tokens, 1 / self.embed_scale))
        self.answer_head = Linear(dim, self.layout.scores)
        # almost zero Q values at the start: the bootstrapped targets begin near "never right"
        self.q_weight = nn.Parameter(torch.zeros(2, dim))
        self.q_bias = nn.Parameter(torch.full((2,), -5.0))
        table = (shape.num_puzzle_ids, config.embedding_positions * dim)
        self.puzzle_embedding = (
            nn.Embedding(table[0], table[1], sparse=True, _weight=torch.zeros(table)) if prefix else None
        )
        kind = config.positions if config.mixer == "attention" else "none"
        coordinates = position_coordinates(prefix, shape.seq_len, config.grid_columns)
        index = own_rows(coordinates)
        self.register_buffer("position_index", torch.tensor(index), persistent=False)
        self.position_embedding = (
            nn.Parameter(truncated_normal_(torch.empty(1 + max(map(max, index)), dim), 1 / self.embed_scale))
            if kind.startswith("learned")
            else None
        )
        self.rotary = RotaryEmbedding(dim // config.num_heads, coordinates) if kind.startswith("rope") else None

    def stack(self, layers: int) -> ReasoningModule:
        """Builds a module of so many blocks."""
        return ReasoningModule([self._block() for _ in range(layers)])

    def _block(self) -> Block:
        config, (length, dim) = self.config, self.state_shape
        mixer: nn.Module
        if config.box is not None:
            mixer = UnitMixer(dim, config.box)
        elif config.mixer == "neighbours":
            mixer = NeighbourMixer(dim, cast(int, config.grid_columns))
        elif config.mixer == "mlp":
            mixer = PositionMixer(length, config.expansion, config.mixer_multiple, config.swiglu_norm)
        else:
            mixer = Attention(dim, config.num_heads, self.rotary)
        feed_forward = SwiGLU(dim, config.expansion, config.feed_forward_multiple, config.swiglu_norm)
        return Block(mixer, feed_forward, config.mixer == "mlp" and config.mixer_norm == "positions")

    @classmethod
    def resolved(cls, config: CoreConfig) -> CoreConfig:
        """Returns the config with the precision that ``"auto"`` means here."""
        assert isinstance(config, BlockConfig)
        return replace(config, dtype=precision(config.dtype))

    def constant_weights(self) -> AbstractContextManager[None]:
        """Returns a context within which every weight is cast to the activations' precision once."""
        return weights_cast_once(self, self.activation_dtype)

    def compilable(self) -> list[CompiledPiece]:
        """Returns the code of a block, which all blocks share."""
        modules = [module for module in self.modules() if isinstance(module, ReasoningModule)]
        return [CompiledPiece(Block.forward, modules, "run_block")]

    def embed(self, inputs: Tensor, puzzle_id: Tensor) -> Tensor:
        """Returns x ``(B, P+L, D)``: √D · tokens, or √D · (tokens + positions)/√2 where positions are learned."""
        x = F.embedding(self.layout.tokens(inputs), self.token_embedding)
        if self.puzzle_embedding is not None:
            prefix = self.puzzle_embedding(puzzle_id).unflatten(-1, (-1, x.shape[-1]))
            prefix = F.pad(prefix, (0, 0, 0, self.config.puzzle_positions - prefix.shape[1]))
            x = torch.cat([prefix, x], dim=1)
        if self.position_embedding is not None:
            x = (x + self.position_embedding[self.position_index].sum(1)) * math.sqrt(0.5)
        return (self.embed_scale * x).to(self.activation_dtype)

    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits of (halt, continue): a linear map of what stands for the answering state."""
        q = F.linear(q_input, self.q_weight.to(q_input.dtype), self.q_bias.to(q_input.dtype)).float()
        return q[:, 0], q[:, 1]

    def gradient_at(self, step: int) -> AbstractContextManager[None]:
        """Returns a context for a step of the segment, without gradient where the config leaves the step out."""
        cycles, steps = self.cycles
        total = cycles * steps
        first = {"one-step": total - 1, "last-cycle": total - steps, "full": 0}[self.config.gradient]
        return torch.set_grad_enabled(torch.is_grad_enabled() and step >= first)

    def forward(self, carry: Carry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """Computes one segment; the returned carry is detached."""
        with self.constant_weights():
            carry, state = self.think(carry, self.embed(inputs, puzzle_id))
            q_input = self.layout.summary(state)
            return SegmentOutput(map_parts(Tensor.detach, carry), self.answer(state), *self.q_values(q_input), q_input)

    def answer(self, state: Tensor) -> Tensor:
        """Returns the answer logits ``(B, L, V)`` float32 of a state ``(B, P+L, D)``."""
        return self.layout.read(self.answer_head, state).float()

    @abstractmethod
    def think(self, carry: Carry, x: Tensor) -> tuple[Carry, Tensor]:
        """Returns the carry after a segment on the puzzle x, and the state that is read; ``(B, P+L, D)`` each."""
