"""The Hierarchical Reasoning Model (arXiv 2506.21734): a slow module H and a fast module L."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrm_agent.cores.core import Carry, PuzzleShape, ReasoningCore, SegmentOutput
from hrm_agent.cores.layers import (
    Block,
    Linear,
    Mixer,
    MixerNorm,
    ReasoningModule,
    RotaryEmbedding,
    truncated_normal_,
    weights_cast_once,
)
from hrm_agent.limits import MOST_OF_A_KIND, check_passes
from hrm_env.checks import check_choice, check_flag, check_integer, check_number, shortened

Gradient = Literal["one-step", "last-cycle", "full"]
Positions = Literal["rope", "learned", "none"]
Precision = Literal["float32", "bfloat16"]
_COUNTS = {"hidden_size": 1, "num_heads": 1, "h_layers": 0, "l_layers": 1, "h_cycles": 1, "l_cycles": 1}
_COUNTS |= {"mixer_multiple": 1, "puzzle_positions": 0}


@dataclass(frozen=True)
class HRMConfig:
    """Options of the core; the defaults are the paper's (27,275,266 parameters on 9x9 Sudoku).

    Attributes:
        hidden_size: Width D.
        num_heads: Attention heads.
        expansion: Width factor of the feed-forward layers, before their 2/3 (SwiGLU).
        h_layers: Blocks of the slow module H; 0 makes one network of the two, that of L (TRM).
        l_layers: Blocks of the fast module L.
        h_cycles: High-level cycles N of a segment.
        l_cycles: Low-level steps T of a cycle.
        mixer: How a block mixes positions.
        mixer_multiple: The inner width of an MLP mixer is rounded up to a multiple of this.
        mixer_norm: What a state is normalised over after an MLP mixer.
        swiglu_norm: Normalise the gated product inside every SwiGLU, as Muon at a high rate wants it.
        positions: How attention knows positions. An MLP mixer needs none.
        puzzle_positions: Extra positions P in front of the puzzle, filled by the puzzle embedding; the Q head reads the
            first position.
        embedded_positions: How many of them the puzzle embedding fills, the others being zeros; None for all.
        gradient: ``"one-step"`` backpropagates through the last L and the last H step only (the paper),
            ``"last-cycle"`` through the last high-level cycle, ``"full"`` through the whole segment.
        dtype: Precision of the activations; weights are float32.
    """

    name: ClassVar[str] = "hrm"

    hidden_size: int = 512
    num_heads: int = 8
    expansion: float = 4.0
    h_layers: int = 4
    l_layers: int = 4
    h_cycles: int = 2
    l_cycles: int = 2
    mixer: Mixer = "attention"
    mixer_multiple: int = 32
    mixer_norm: MixerNorm = "features"
    swiglu_norm: bool = False
    positions: Positions = "rope"
    puzzle_positions: int = 1
    embedded_positions: int | None = None
    gradient: Gradient = "one-step"
    dtype: Precision = "float32"

    def __post_init__(self) -> None:
        """Checks types and ranges: what no core can be built from, or would be too much work, is refused."""
        choices = {"mixer": Mixer, "mixer_norm": MixerNorm, "positions": Positions}
        choices |= {"gradient": Gradient, "dtype": Precision}
        for name, choice in choices.items():
            check_choice(name, getattr(self, name), get_args(choice))
        for name, low in _COUNTS.items():
            object.__setattr__(self, name, check_integer(name, getattr(self, name), low, MOST_OF_A_KIND))
        check_flag("swiglu_norm", self.swiglu_norm)
        if self.embedded_positions is not None:
            check_integer("embedded_positions", self.embedded_positions)
        if self.puzzle_positions and not 1 <= self.embedding_positions <= self.puzzle_positions:
            raise ValueError(
                f"embedded_positions: expected 1 to puzzle_positions = {self.puzzle_positions}, "
                f"found {shortened(self.embedded_positions)}"
            )
        if check_number("expansion", self.expansion, 0, MOST_OF_A_KIND) == 0:
            raise ValueError(f"expansion: expected more than 0, found {self.expansion}")
        if self.hidden_size % (2 * self.num_heads):
            raise ValueError(
                f"hidden_size: expected a multiple of 2 * num_heads = {2 * self.num_heads}, found {self.hidden_size}"
            )
        check_passes("h_cycles, l_cycles, h_layers and l_layers", self.passes)

    @property
    def passes(self) -> int:
        """How many blocks a row passes through in a segment at full depth."""
        return self.h_cycles * (self.l_cycles * self.l_layers + (self.h_layers or self.l_layers))

    @property
    def embedding_positions(self) -> int:
        """Positions that the puzzle embedding fills."""
        return self.puzzle_positions if self.embedded_positions is None else self.embedded_positions


class HRMCore(ReasoningCore):
    """One segment of HRM: N cycles of T fast steps and one slow step, then the answer and the Q values.

    z_L ← f_L(z_L, z_H + x) at every step, z_H ← f_H(z_H, z_L) at the end of every cycle (paper, section 2). Without
    blocks of its own H is the network of L: f_H = f_L, which makes it TRM (`TRMConfig`).
    """

    start_h: Tensor
    start_l: Tensor
    h_module: ReasoningModule

    def __init__(self, shape: PuzzleShape, config: HRMConfig) -> None:
        super().__init__()
        self.shape, self.config = shape, config
        self.cycles = config.h_cycles, config.l_cycles
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
        attention = config.mixer == "attention"
        self.position_embedding = (
            nn.Parameter(truncated_normal_(torch.empty(length, dim), 1 / self.embed_scale))
            if attention and config.positions == "learned"
            else None
        )
        self.rotary = (
            RotaryEmbedding(dim // config.num_heads, length) if attention and config.positions == "rope" else None
        )

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

    @property
    def passes(self) -> int:
        """How many blocks a row passes through in a segment at full depth."""
        return self.config.passes

    def initial_carry(self, batch_size: int) -> Carry:
        """The two fixed start vectors, broadcast over batch and positions."""
        size = (batch_size, self.config.puzzle_positions + self.shape.seq_len, self.config.hidden_size)
        return Carry(*(start.to(self.activation_dtype).expand(size) for start in (self.start_h, self.start_l)))

    def embed(self, inputs: Tensor, puzzle_id: Tensor) -> Tensor:
        """Input x ``(B, P+L, D)``: √D · tokens, or √D · (tokens + positions)/√2 where positions are learned."""
        x = F.embedding(inputs, self.token_embedding)
        if self.puzzle_embedding is not None:
            prefix = self.puzzle_embedding(puzzle_id).unflatten(-1, (-1, x.shape[-1]))
            prefix = F.pad(prefix, (0, 0, 0, self.config.puzzle_positions - prefix.shape[1]))
            x = torch.cat([prefix, x], dim=1)
        if self.position_embedding is not None:
            x = (x + self.position_embedding) * math.sqrt(0.5)
        return (self.embed_scale * x).to(self.activation_dtype)

    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of (halt, continue): a linear map of z_H at the first position."""
        q = F.linear(q_input, self.q_weight.to(q_input.dtype), self.q_bias.to(q_input.dtype)).float()
        return q[:, 0], q[:, 1]

    def forward(self, carry: Carry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """One segment; the returned carry is detached."""
        with weights_cast_once(self, self.activation_dtype):
            return self._segment(carry, self.embed(inputs, puzzle_id))

    def _segment(self, carry: Carry, x: Tensor) -> SegmentOutput:
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
        return SegmentOutput(Carry(z_h, z_l).detach(), logits, *self.q_values(q_input), q_input)
