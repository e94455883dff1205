"""Optimizers and the learning-rate schedule, by exact values."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from adam_atan2_pytorch import AdamAtan2
from agents import SHAPE, tiny_core
from torch import Tensor, nn

from hrm_agent.learning.adam_atan2 import AdamATan2
from hrm_agent.learning.optim import SparseSignSGD, split_parameters
from hrm_agent.learning.schedules import learning_rate_factor


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 1e-2, "betas": (0.9, 0.95), "weight_decay": 1.0},
        {"lr": 3e-3, "betas": (0.8, 0.99), "weight_decay": 0.0, "a": 2.0, "b": 0.5},
        {"lr": 1e-1, "betas": (0.0, 0.5), "weight_decay": 0.1, "a": 1.27, "b": 1.0},
    ],
)
def test_adam_atan2_against_the_reference_package(options: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 7), (3,), (), (2, 3, 4)]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    ours, theirs = ([nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    optimizers = [AdamATan2(ours, **options), AdamAtan2(theirs, **options)]
    for step in range(20):
        # sizes from 1e-6 to 10, zeros among them; the last tensor has a gradient at every other step only
        grads = [torch.randn(shape, generator=generator) * 10.0 ** (step % 8 - 6) for shape in shapes]
        grads[0][0] = 0
        for parameters in (ours, theirs):
            for parameter, grad in zip(parameters, grads, strict=True):
                parameter.grad = grad.clone()
            if step % 2:
                parameters[-1].grad = None
        for optimizer in optimizers:
            optimizer.step()
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)
    assert all(not torch.equal(parameter, tensor) for parameter, tensor in zip(ours, start, strict=True))


def test_adam_atan2_first_step_by_hand() -> None:
    # m̂ = g and √v̂ = |g|, so the update is a·atan2(g, |g|) = ±a·π/4, whatever the gradient's size
    weight = nn.Parameter(torch.tensor([1.0, 1.0, 1.0]))
    weight.grad = torch.tensor([1e-12, -1e6, 0.0])
    AdamATan2([weight], lr=0.1, betas=(0.9, 0.95), weight_decay=0.5).step()
    moved = 0.1 * 1.27 * math.pi / 4
    assert weight.tolist() == pytest.approx([0.95 - moved, 0.95 + moved, 0.95])


def _embedding(touched: list[int], slope: Tensor) -> nn.Embedding:
    """An embedding whose rows ``touched`` have the gradient ``slope`` each."""
    embedding = nn.Embedding(6, 3, sparse=True)
    with torch.no_grad():
        embedding.weight.copy_(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))
    (embedding(torch.tensor(touched)) * slope).sum().backward()
    return embedding


def test_sparse_sign_sgd_moves_the_touched_rows_alone() -> None:
    slope = torch.tensor([[1e-9, -5.0, 0.0], [2.0, 1.0, -1.0], [-1.0, 1.0, -1.0]])
    embedding = _embedding([4, 1, 1], slope)  # row 1 twice: its gradients add up to (1, 2, -2)
    before = embedding.weight.detach().clone()
    SparseSignSGD(embedding.parameters(), lr=0.1, weight_decay=0.5).step()
    after = embedding.weight.detach()
    expected = before.clone()
    expected[4] = before[4] * 0.95 - 0.1 * torch.tensor([1.0, -1.0, 0.0])
    expected[1] = before[1] * 0.95 - 0.1 * torch.tensor([1.0, 1.0, -1.0])
    torch.testing.assert_close(after, expected, rtol=1e-6, atol=0)
    untouched = [0, 2, 3, 5]
    assert torch.equal(after[untouched], before[untouched])


def test_sparse_sign_sgd_without_a_gradient_does_nothing() -> None:
    embedding = nn.Embedding(6, 3, sparse=True)
    before = embedding.weight.detach().clone()
    SparseSignSGD(embedding.parameters(), lr=0.1).step()
    assert torch.equal(embedding.weight, before)


def test_split_parameters_sets_the_sparse_embedding_apart() -> None:
    core = tiny_core("hrm")
    dense, sparse = split_parameters(core)
    assert [tuple(p.shape) for p in sparse] == [(SHAPE.num_puzzle_ids, 16)]
    assert {id(p) for p in dense} | {id(p) for p in sparse} == {id(p) for p in core.parameters()}
    assert len(dense) + len(sparse) == len(list(core.parameters()))
    assert split_parameters(tiny_core("hrm", puzzle_positions=0))[1] == []


@pytest.mark.parametrize(
    ("step", "warmup", "total", "min_ratio", "expected"),
    [
        (0, 4, 100, 1.0, 0.25),
        (3, 4, 100, 1.0, 1.0),
        (50, 4, 100, 1.0, 1.0),
        (0, 0, 100, 0.1, 0.1 + 0.9 * (0.5 + math.cos(math.pi / 100) / 2)),
        (3, 4, 104, 0.1, 1.0),
        (28, 4, 104, 0.1, 0.1 + 0.9 * (0.5 + math.sqrt(0.5) / 2)),
        (53, 4, 104, 0.1, 0.55),
        (78, 4, 104, 0.0, 0.5 - math.sqrt(0.5) / 2),
        (103, 4, 104, 0.1, 0.1),  # the last step
        (500, 4, 104, 0.1, 0.1),
        (2, 4, 2, 0.1, 0.75),  # a run that ends within its warm-up
        (9, 4, 2, 0.1, 0.1),
    ],
)
def test_learning_rate(step: int, warmup: int, total: int, min_ratio: float, expected: float) -> None:
    assert learning_rate_factor(step, warmup, total, min_ratio) == pytest.approx(expected)
