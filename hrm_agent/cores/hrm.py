"""The Hierarchical Reasoning Model (arXiv 2506.21734): a slow module H and a fast module L."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrm_agent.config import CoreConfig, HRMConfig, Precision, PrecisionOrAuto
from hrm_agent.cores.core import CompiledPiece, PuzzleShape, ReasoningCore, SegmentOutput
from hrm_agent.cores.layers import (
    Block,
    Linear,
    ReasoningModule,
    RotaryEmbedding,
    truncated_normal_,
    weights_cast_once,
)


class HRMCarry(NamedTuple):
    """The hidden state that travels between segments, ``(B, P+L, D)`` each: slow H and fast L."""

    z_h: Tensor
    z_l: Tensor


def precision(chosen: PrecisionOrAuto) -> Precision:
    """Returns the precision that is meant: for ``"auto"`` bfloat16 where the hardware multiplies matrices in it."""
    if chosen != "auto":
        return chosen
    return "bfloat16" if torch.cuda.is_available() or torch.cpu._is_amx_tile_supported() else "float32"


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


class HRMCore(ReasoningCore):
    """One segment of HRM: N cycles of T fast steps and one slow step, then the answer and the Q values.

    z_L ← f_L(z_L, z_H + x) at every step, z_H ← f_H(z_H, z_L) at the end of every cycle (paper, section 2). Without
    blocks of its own H is the network of L: f_H = f_L, which makes it TRM (`TRMConfig`).
    """

    config_class = HRMConfig
    config: HRMConfig
    cycles: tuple[int, int]
    start_h: Tensor
    start_l: Tensor
    position_index: Tensor
    h_module: ReasoningModule

    def __init__(self, shape: PuzzleShape, config: HRMConfig) -> None:
        super().__init__(shape, config)
        config = self.config
        dim, prefix = config.hidden_size, config.puzzle_positions
        length = prefix + shape.seq_len
        self.activation_dtype: torch.dtype = getattr(torch, config.dtype)
        self.embed_scale = math.sqrt(dim)

        self.token_embedding = nn.Parameter(truncated_normal_(torch.empty(shape.vocab_size, dim), 1 / self.embed_scale))
        self.answer_head = Linear(dim, shape.vocab_size)
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

        def module(layers: int) -> ReasoningModule:
            arguments = (dim, config.num_heads, config.expansion, config.mixer, length, self.rotary)
            options = (config.mixer_multiple, config.mixer_norm, config.swiglu_norm)
            return ReasoningModule([Block(*arguments, *options) for _ in range(layers)])

        if config.h_layers:
            self.h_module = module(config.h_layers)
        self.l_module = module(config.l_layers)
        if not config.h_layers:
            self.__dict__["h_module"] = self.l_module  # one network under both names, registered once
        self.register_buffer("start_h", truncated_normal_(torch.empty(dim), 1.0))
        self.register_buffer("start_l", truncated_normal_(torch.empty(dim), 1.0))

    @classmethod
    def resolved(cls, config: CoreConfig) -> CoreConfig:
        """Returns the config with the precision that ``"auto"`` means here."""
        assert isinstance(config, HRMConfig)
        return replace(config, dtype=precision(config.dtype))

    def constant_weights(self) -> AbstractContextManager[None]:
        """Returns a context within which every weight is cast to the activations' precision once."""
        return weights_cast_once(self, self.activation_dtype)

    def compilable(self) -> list[CompiledPiece]:
        """Returns the code of a block, which all blocks share."""
        modules = [module for module in self.modules() if isinstance(module, ReasoningModule)]
        return [CompiledPiece(Block.forward, modules, "run_block")]

    def initial_carry(self, batch_size: int) -> HRMCarry:
        """Returns the two fixed start vectors, broadcast over batch and positions."""
        size = (batch_size, self.config.puzzle_positions + self.shape.seq_len, self.config.hidden_size)
        return HRMCarry(*(start.to(self.activation_dtype).expand(size) for start in (self.start_h, self.start_l)))

    def embed(self, inputs: Tensor, puzzle_id: Tensor) -> Tensor:
        """Returns x ``(B, P+L, D)``: √D · tokens, or √D · (tokens + positions)/√2 where positions are learned."""
        x = F.embedding(inputs, self.token_embedding)
        if self.puzzle_embedding is not None:
            prefix = self.puzzle_embedding(puzzle_id).unflatten(-1, (-1, x.shape[-1]))
            prefix = F.pad(prefix, (0, 0, 0, self.config.puzzle_positions - prefix.shape[1]))
            x = torch.cat([prefix, x], dim=1)
        if self.position_embedding is not None:
            x = (x + self.position_embedding[self.position_index].sum(1)) * math.sqrt(0.5)
        return (self.embed_scale * x).to(self.activation_dtype)

    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits of (halt, continue): a linear map of z_H at the first position."""
        q = F.linear(q_input, self.q_weight.to(q_input.dtype), self.q_bias.to(q_input.dtype)).float()
        return q[:, 0], q[:, 1]

    def forward(self, carry: HRMCarry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """Computes one segment; the returned carry is detached."""
        with self.constant_weights():
            return self._segment(carry, self.embed(inputs, puzzle_id))

    def _segment(self, carry: HRMCarry, x: Tensor) -> SegmentOutput:
        z_h, z_l = carry
        cycles, steps = self.cycles
        total = cycles * steps
        first_with_gradient = {"one-step": total - 1, "last-cycle": total - steps, "full": 0}[self.config.gradient]
        training = torch.is_grad_enabled()
        for step in range(total):
            with torch.set_grad_enabled(training and step >= first_with_gradient):
                z_l = self.l_module(z_l, z_h + x)
                if (step + 1) % steps == 0:
                    z_h = self.h_module(z_h, z_l)
        logits = self.answer_head(z_h[:, self.config.puzzle_positions :]).float()
        q_input = z_h[:, 0]
        return SegmentOutput(HRMCarry(z_h.detach(), z_l.detach()), logits, *self.q_values(q_input), q_input)
