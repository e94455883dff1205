"""The building blocks of the cores, as in the HRM reference code: no biases, no learned norm scale, post-norm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHORT_LENGTH = 256
"""Up to this many positions a CPU multiplies out attention: torch's fused kernel is then several times slower."""


def truncated_normal_(tensor: Tensor, std: float, generator: torch.Generator | None = None) -> Tensor:
    """Fills a tensor from a normal distribution, cut at two deviations and rescaled to the deviation ``std``.

    `torch.nn.init.trunc_normal_` does not rescale; this is JAX's truncated-normal initialiser, which the paper uses.
    """
    if tensor.is_meta:  # it holds no numbers, but filling it takes time
        return tensor
    edge = math.erf(2 / math.sqrt(2))
    density = math.exp(-2.0) / math.sqrt(2 * math.pi)
    scale = std / math.sqrt(1 - 4 * density / edge)
    with torch.no_grad():
        tensor.uniform_(-edge, edge, generator=generator).erfinv_().mul_(math.sqrt(2) * scale)
        return tensor.clamp_(-2 * scale, 2 * scale)


def rms_norm(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Scales the last dimension to unit root mean square, computed in float32, without a learned gain."""
    return F.rms_norm(x, (x.shape[-1],), eps=eps)


def at_least_float32(x: Tensor) -> Tensor:
    """Returns a tensor of lower precision in float32, and another as it is."""
    return x if x.dtype == torch.float64 else x.float()


class Linear(nn.Module):
    """A linear map without bias, float32 weights cast to the input's dtype, truncated LeCun-normal at start."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(truncated_normal_(torch.empty(out_features, in_features), in_features**-0.5))
        self._cast: Tensor | None = None  # the weight as `weights_cast_once` made it

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(..., in_features)`` to ``(..., out_features)``."""
        return F.linear(x, self.weight.to(x.dtype) if self._cast is None else self._cast)


@contextmanager
def weights_cast_once(module: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Casts, within, the weight of every `Linear` of ``module`` to ``dtype`` once, however often it is used.

    The weights must not change within. Gradients of several uses add up in ``dtype`` and reach the float32 weight
    through the one cast, as under `torch.autocast`. Inside another such context it does nothing.
    """
    parts = (part for part in module.modules() if isinstance(part, Linear) and part._cast is None)
    linears = [part for part in parts if part.weight.dtype != dtype]  # others need no cast
    for linear in linears:
        linear._cast = linear.weight.to(dtype)
    try:
        yield
    finally:
        for linear in linears:
            linear._cast = None


class SwiGLU(nn.Module):
    """A gated feed-forward layer (arXiv 2002.05202), inner width 2/3·expansion·d rounded up to ``multiple``.

    silu(g) ⊙ u is σ(g) ⊙ (g ⊙ u). With ``norm`` it becomes σ(g) ⊙ rms(g ⊙ u), whose size no weight can increase (arXiv
    2601.19085, for Muon).
    """

    def __init__(self, dim: int, expansion: float, multiple: int = 256, norm: bool = False) -> None:
        super().__init__()
        self.norm = norm
        inner = math.ceil(round(expansion * dim * 2 / 3) / multiple) * multiple
        self.gate_up = Linear(dim, 2 * inner)
        self.down = Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(..., dim)`` to ``(..., dim)``."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return cast(Tensor, self.down(gate.sigmoid() * rms_norm(gate * up) if self.norm else F.silu(gate) * up))


class RotaryEmbedding(nn.Module):
    """Rotary position embedding (arXiv 2104.09864), rotating the two halves of each head.

    With two coordinates a position, the first half of the frequencies turns by the one, the second half by the other
    (arXiv 2403.13298, axial).

    Args:
        head_dim: Width of a head, a multiple of twice the number of coordinates.
        coordinates: Where each position lies, one or two whole numbers each.
        theta: Longest period, as a multiple of 2π.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, head_dim: int, coordinates: Sequence[Sequence[int]], theta: float = 10_000.0) -> None:
        super().__init__()
        part = head_dim // len(coordinates[0])
        frequency = theta ** (-torch.arange(0, part, 2, dtype=torch.float32) / part)
        angle = (torch.tensor(coordinates, dtype=torch.float32).unsqueeze(-1) * frequency).flatten(1)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rotates queries or keys ``(..., length, head_dim)``."""
        first, second = at_least_float32(x).chunk(2, -1)
        rotated = (
            torch.addcmul(first * self.cos, second, self.sin, value=-1),
            torch.addcmul(second * self.cos, first, self.sin),
        )
        return torch.cat(rotated, -1).to(x.dtype)


class Attention(nn.Module):
    """Full (non-causal) multi-head self-attention with optional rotary positions."""

    def __init__(self, dim: int, num_heads: int, rotary: RotaryEmbedding | None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Linear(dim, 3 * dim)
        self.out = Linear(dim, dim)
        self._rotary = [rotary]  # in a list: one shared table, not a submodule of every layer

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, length, dim)`` to ``(B, length, dim)``."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        (rotary,) = self._rotary
        if rotary is not None:
            query, key = rotary(query), rotary(key)
        if x.device.type == "cpu" and x.shape[1] <= SHORT_LENGTH:
            score = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
            mixed = score.softmax(-1) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.out(mixed.transpose(1, 2).flatten(2)))


class PositionMixer(nn.Module):
    """A SwiGLU over positions instead of attention (MLP-Mixer, arXiv 2105.01601; TRM, arXiv 2510.04871)."""

    def __init__(self, length: int, expansion: float, multiple: int, norm: bool = False) -> None:
        super().__init__()
        self.mix = SwiGLU(length, expansion, multiple, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, length, dim)`` to ``(B, length, dim)``, the same map for every feature."""
        return cast(Tensor, self.mix(x.transpose(1, 2).contiguous())).transpose(1, 2)


class Block(nn.Module):
    """Post-norm block: ``h = rms(h + mix(h)); h = rms(h + swiglu(h))``.

    The first norm is over the features; around an MLP mixer it can be over the positions, as in the code of TRM, which
    normalises before it transposes back.
    """

    def __init__(self, mixer: nn.Module, feed_forward: SwiGLU, norm_positions: bool) -> None:
        super().__init__()
        self.norm_positions = norm_positions
        self.mixer = mixer
        self.feed_forward = feed_forward

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, length, dim)`` to ``(B, length, dim)``."""
        x = x + self.mixer(x)
        x = rms_norm(x.mT).mT if self.norm_positions else rms_norm(x)
        return rms_norm(x + self.feed_forward(x))


BlockFunction = Callable[[Block, Tensor], Tensor]


class ReasoningModule(nn.Module):
    """A recurrent module, H or L: adds the injection to its state and applies a stack of blocks.

    Attributes:
        run_block: Function that computes a block; its own ``forward``, unless it is compiled (`cores.compiling`).
    """

    run_block: BlockFunction = staticmethod(Block.__call__)

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, state: Tensor, injection: Tensor) -> Tensor:
        """Returns the next state ``(B, length, dim)``."""
        x = state + injection
        for block in self.blocks:
            x = self.run_block(cast(Block, block), x)
        return x
