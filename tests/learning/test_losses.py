"""Token losses against their definitions."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
import torch
import torch.nn.functional as F
from agents import tiny_core
from torch import Tensor

from hrm_agent.cores.core import SegmentOutput, TokenLoss
from hrm_agent.learning.losses import TOKEN_LOSSES, softmax, stablemax
from hrm_env.task import PAD_ID

EVERY_LOSS = pytest.mark.parametrize("loss", TOKEN_LOSSES.values(), ids=TOKEN_LOSSES)


def _exact_stablemax(logits: Tensor, label: int) -> tuple[float, list[float]]:
    """Loss and gradient of one position by the definition, with 60 digits.

    In float64 the definition itself, −log p, keeps four digits where p = 1 − 1e-12.
    """
    with localcontext() as context:
        context.prec = 60
        x = [Decimal(value) for value in logits.tolist()]
        size = [1 / (1 - value) if value < 0 else value + 1 for value in x]
        slope = [1 / (1 - value) ** 2 if value < 0 else Decimal(1) for value in x]
        total = sum(size, Decimal(0))
        loss = -(size[label] / total).ln()
        pull = [1 / total - (1 / size[label] if index == label else 0) for index in range(len(x))]
        return float(loss), [float(s * p) for s, p in zip(slope, pull, strict=True)]


def answered(logits: Tensor) -> SegmentOutput:
    """A segment's output with these answer logits; an answer's loss reads nothing else."""
    nothing = torch.zeros(len(logits))
    return SegmentOutput({}, logits, nothing, nothing, nothing)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("label_logit", ["random", "largest", "smallest"])
def test_stablemax_is_exact_to_float32(scale: float, label_logit: str) -> None:
    logits = scale * torch.randn(100, 11, generator=torch.Generator().manual_seed(0))
    if label_logit == "largest":  # all others far below: the loss goes to 1e-12
        logits = -logits.abs()
    labels = torch.randint(11, (100,), generator=torch.Generator().manual_seed(1))
    if label_logit != "random":
        logits[torch.arange(100), labels] = scale if label_logit == "largest" else -scale
    logits.requires_grad_()
    losses = stablemax(logits, labels)
    losses.sum().backward()
    exact = [_exact_stablemax(row, int(label)) for row, label in zip(logits.detach(), labels, strict=True)]
    expected = torch.tensor([loss for loss, _ in exact], dtype=torch.float64)
    gradients = torch.tensor([gradient for _, gradient in exact], dtype=torch.float64)
    assert logits.grad is not None
    torch.testing.assert_close(losses.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(logits.grad.double(), gradients, rtol=1e-6, atol=0)


def test_stablemax_by_hand() -> None:
    # s = (1 + 2, 1, 1/(1 + 1)): p = (3, 1, 1/2) / 4.5
    logits = torch.tensor([[2.0, 0.0, -1.0]]).expand(3, 3)
    losses = stablemax(logits, torch.arange(3))
    expected = [math.log(4.5 / 3), math.log(4.5), math.log(4.5 / 0.5)]
    assert losses.tolist() == pytest.approx(expected, rel=1e-6)


def test_softmax_is_cross_entropy() -> None:
    logits = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(5, (3, 7), generator=torch.Generator().manual_seed(1))
    expected = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    torch.testing.assert_close(softmax(logits, labels), expected)


@EVERY_LOSS
def test_indifference_costs_the_logarithm_of_the_choices(loss: TokenLoss) -> None:
    losses = loss(torch.zeros(2, 3, 8), torch.ones(2, 3, dtype=torch.long))
    torch.testing.assert_close(losses, torch.full((2, 3), math.log(8)))


@EVERY_LOSS
def test_answer_loss_averages_over_the_graded_positions(loss: TokenLoss) -> None:
    logits = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    solution = torch.tensor([[1, 2, 3, 4], [2, PAD_ID, 3, PAD_ID], [PAD_ID] * 4])
    losses = tiny_core().answer_loss(answered(logits), solution, loss)
    each = loss(logits, solution)
    expected = torch.stack([each[0].mean(), (each[1, 0] + each[1, 2]) / 2, torch.tensor(0.0)])
    torch.testing.assert_close(losses, expected)
    losses.sum().backward()
    assert logits.grad is not None
    graded = solution != PAD_ID
    assert not logits.grad[~graded].any()
    assert (logits.grad[graded].abs().sum(-1) > 0).all()


@EVERY_LOSS
def test_answer_loss_is_float32_for_bfloat16_logits(loss: TokenLoss) -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    solution = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]])
    core = tiny_core()
    losses = [core.answer_loss(answered(given), solution, loss) for given in (logits, logits.float())]
    assert torch.equal(*losses)


@EVERY_LOSS
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_is_a_mixture_with_the_mean_over_all_classes(loss: TokenLoss, smoothing: float) -> None:
    logits = 3 * torch.randn(4, 3, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(7, (4, 3), generator=torch.Generator().manual_seed(1))
    every_class = torch.stack([loss(logits, torch.full_like(labels, c)) for c in range(7)]).mean(0)
    expected = (1 - smoothing) * loss(logits, labels) + smoothing * every_class
    torch.testing.assert_close(loss(logits, labels, smoothing=smoothing), expected, rtol=1e-6, atol=1e-6)


def test_label_smoothing_by_hand() -> None:
    # p = (3, 1, 1/2) / 4.5 as above: 0.7 · log 1.5 + 0.3/3 · (log 1.5 + log 4.5 + log 9)
    expected = 0.7 * math.log(1.5) + 0.1 * (math.log(1.5) + math.log(4.5) + math.log(9))
    assert float(stablemax(torch.tensor([2.0, 0.0, -1.0]), torch.tensor(0), smoothing=0.3)) == pytest.approx(expected)
    # softmax of (log 3, log 1): p = (3, 1) / 4
    expected = 0.9 * math.log(4 / 3) + 0.1 / 2 * (math.log(4 / 3) + 2 * math.log(4) - math.log(4))
    logits = torch.tensor([[math.log(3), 0.0]])
    assert float(softmax(logits, torch.tensor([0]), smoothing=0.1)) == pytest.approx(expected)
