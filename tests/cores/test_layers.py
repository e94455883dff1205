"""The blocks that cores are built of, and the values a core starts with."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from agents import SHAPE, hrm_core, relative_error, tiny_core
from torch import Tensor, nn

from hrm_agent.cores.hrm import HRMCore
from hrm_agent.cores.layers import (
    Attention,
    Block,
    Linear,
    PositionMixer,
    RotaryEmbedding,
    SwiGLU,
    rms_norm,
    truncated_normal_,
    weights_cast_once,
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("std", [0.05, 1.0, 3.0])
def test_truncated_normal_has_its_deviation(std: float) -> None:
    # a normal cut at two deviations has 0.8796 of its deviation left, so the cut lies at 2 / 0.8796 of the result's
    sample = truncated_normal_(torch.empty(1_000_000), std, torch.Generator().manual_seed(0))
    assert float(sample.std()) == pytest.approx(std, rel=3e-3)
    assert abs(float(sample.mean())) < 4e-3 * std
    assert float(sample.abs().max()) == pytest.approx(2 * std / 0.87962566, rel=1e-3)
    within_one = float((sample.abs() < std).float().mean())
    whole, cut = math.erf(math.sqrt(2)), math.erf(0.87962566 / math.sqrt(2))
    assert within_one == pytest.approx(cut / whole, abs=3e-3)  # the shape is a normal's


@pytest.mark.parametrize(
    ("dim", "expansion", "multiple", "inner"),
    [
        (512, 4, 256, 1536),
        (384, 4, 256, 1024),
        (385, 4, 256, 1280),
        (32, 4, 256, 256),
        (82, 4, 32, 224),
        (17, 2, 32, 32),
    ],
)
def test_swiglu_width(dim: int, expansion: float, multiple: int, inner: int) -> None:
    layer = SwiGLU(dim, expansion, multiple)
    assert layer.gate_up.weight.shape == (2 * inner, dim)
    assert layer.down.weight.shape == (dim, inner)


def test_swiglu_is_a_gated_layer() -> None:
    layer, x = SwiGLU(16, 4.0), noise(3, 16)
    gate, up = (x @ weight.T for weight in layer.gate_up.weight.chunk(2))
    torch.testing.assert_close(layer(x), (gate * torch.sigmoid(gate) * up) @ layer.down.weight.T)


def test_rms_norm() -> None:
    x = 5 * noise(4, 16)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(rms_norm(x), expected)
    assert torch.equal(rms_norm(torch.zeros(2, 16)), torch.zeros(2, 16))


def test_rotary_sees_distances_alone() -> None:
    rotary = RotaryEmbedding(head_dim=8, coordinates=[[number] for number in range(12)])
    query, key = noise(8, seed=1), noise(8, seed=2)
    queries, keys = (rotary(vector.expand(1, 1, 12, 8))[0, 0] for vector in (query, key))
    product = queries @ keys.T  # (position of the query, position of the key)
    for distance in range(-11, 12):
        diagonal = product.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=1e-5)
    assert product[0].std() > 0.1  # and other distances give other products
    torch.testing.assert_close(queries[0], query)
    torch.testing.assert_close(queries.norm(dim=-1), query.norm().expand(12))


def test_rotary_in_a_grid_sees_distances_of_rows_and_of_columns() -> None:
    places = [[row, column] for row in range(5) for column in range(4)]
    rotary = RotaryEmbedding(head_dim=8, coordinates=places)
    query, key = noise(8, seed=1), noise(8, seed=2)
    queries, keys = (rotary(vector.expand(1, 1, 20, 8))[0, 0] for vector in (query, key))
    product = (queries @ keys.T).view(5, 4, 5, 4)
    torch.testing.assert_close(product[1, 1, 2, 3], product[3, 0, 4, 2])
    torch.testing.assert_close(product[4, 3, 1, 1], product[3, 2, 0, 0])
    assert (product[0, 0, 1, 2] - product[0, 0, 2, 1]).abs() > 0.01  # a row is not a column
    # each half of the frequencies is the one-dimensional embedding of its coordinate
    halves = torch.tensor([0, 1, 4, 5]), torch.tensor([2, 3, 6, 7])
    for half, coordinate in zip(halves, (0, 1), strict=True):
        alone = RotaryEmbedding(head_dim=4, coordinates=[[place[coordinate]] for place in places])
        torch.testing.assert_close(queries[:, half], alone(query[half].expand(1, 1, 20, 4))[0, 0])


def test_attention_without_positions_is_the_textbooks() -> None:
    layer, x = Attention(16, num_heads=2, rotary=None), noise(1, 5, 16)
    query, key, value = (x[0] @ weight.T for weight in layer.qkv.weight.chunk(3))
    heads = []
    for head in (slice(0, 8), slice(8, 16)):
        score = query[:, head] @ key[:, head].T / math.sqrt(8)
        heads.append(score.softmax(-1) @ value[:, head])
    torch.testing.assert_close(layer(x)[0], torch.cat(heads, dim=-1) @ layer.out.weight.T)


def test_position_mixer_maps_every_feature_alike() -> None:
    layer, x = PositionMixer(length=6, expansion=4.0, multiple=32), noise(2, 6, 16)
    mixed = layer(x)
    torch.testing.assert_close(mixed[0, :, 3], layer.mix(x[0, :, 3]))
    torch.testing.assert_close(layer(x.flip(-1)), mixed.flip(-1))


@pytest.mark.parametrize("mixer", [PositionMixer(6, 4.0, 32), Attention(16, 2, None)])
def test_a_block_is_post_norm(mixer: nn.Module) -> None:
    block, x = Block(mixer, SwiGLU(16, 4.0), norm_positions=False), 3 * noise(2, 6, 16)
    middle = rms_norm(x + block.mixer(x))
    torch.testing.assert_close(block(x), rms_norm(middle + block.feed_forward(middle)))
    torch.testing.assert_close(block(x).square().mean(-1), torch.ones(2, 6), atol=1e-3, rtol=0)


def hrm(**options: Any) -> HRMCore:
    return hrm_core(tiny_core("hrm", **options))


@torch.no_grad()
@pytest.mark.parametrize("positions", ["rope", "rope-2d", "learned", "learned-2d"])
def test_input_embedding(positions: str) -> None:
    core = hrm(positions=positions, grid_columns=3 if "2d" in positions else None, puzzle_positions=2)
    assert core.puzzle_embedding is not None
    core.puzzle_embedding.weight.copy_(noise(*core.puzzle_embedding.weight.shape))
    inputs, puzzle_id = torch.tensor([[1, 2, 3, 4, 0, 1]]), torch.tensor([2])
    prefix = core.puzzle_embedding.weight[2].view(2, 16)
    tokens = torch.cat([prefix, core.token_embedding[inputs[0]]])
    if core.position_embedding is not None:
        table = core.position_embedding
        rows = [[0], [1], [2], [3], [4], [5], [6], [7]]
        if positions == "learned-2d":  # two positions in front, then a grid of two rows and three columns
            rows = [[0, 4], [1, 5], [2, 6], [2, 7], [2, 8], [3, 6], [3, 7], [3, 8]]
        assert len(table) == 1 + rows[-1][-1]
        tokens = (tokens + torch.stack([table[row].sum(0) for row in rows])) / math.sqrt(2)
    assert relative_error(core.embed(inputs, puzzle_id)[0], 4 * tokens) <= 1e-6


@torch.no_grad()
def test_values_at_the_start() -> None:
    core = hrm(hidden_size=128, h_layers=2)
    assert core.puzzle_embedding is not None
    assert not core.puzzle_embedding.weight.any()
    assert not core.q_weight.any()
    assert core.q_bias.tolist() == [-5, -5]
    assert float(core.get_parameter("h_module.blocks.1.mixer.qkv.weight").std()) == pytest.approx(128**-0.5, rel=2e-2)
    down = core.get_parameter("l_module.blocks.0.feed_forward.down.weight")
    assert float(down.std()) == pytest.approx(512**-0.5, rel=2e-2)
    carry = core.initial_carry(3)
    assert torch.equal(carry.z_h, core.start_h.expand(3, 1 + SHAPE.seq_len, 128))
    assert torch.equal(carry.z_l, core.start_l.expand(3, 1 + SHAPE.seq_len, 128))
    assert not torch.equal(core.start_h, core.start_l)
    assert {"start_h", "start_l"}.isdisjoint(dict(core.named_parameters()))  # fixed, yet saved with the weights
    assert {"start_h", "start_l"} <= set(core.state_dict())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_cast_once_leave_the_parameters_as_they_are(dtype: torch.dtype) -> None:
    linear = Linear(4, 3)
    names = [name for name, _ in linear.named_parameters()]
    for cast in (dtype, torch.float64):
        with weights_cast_once(linear, cast):
            assert [name for name, _ in linear.named_parameters()] == names
            assert linear(torch.ones(1, 4, dtype=cast)).dtype == cast
    assert list(linear.state_dict()) == names


def test_a_normalised_swiglu_forgets_how_large_its_product_is() -> None:
    layer, x = SwiGLU(16, 4.0, norm=True), noise(3, 16)
    gate, up = (x @ weight.T for weight in layer.gate_up.weight.chunk(2))
    torch.testing.assert_close(layer(x), (torch.sigmoid(gate) * rms_norm(gate * up)) @ layer.down.weight.T)
