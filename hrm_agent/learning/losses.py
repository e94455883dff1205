"""Token losses: how wrong an answer is, averaged over the graded positions of each puzzle."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_env.task import PAD_ID

TokenLoss = Callable[[Tensor, Tensor], Tensor]


def stablemax(logits: Tensor, labels: Tensor) -> Tensor:
    """Stablemax cross-entropy (arXiv 2501.04697), per position.

    p = s(x)/Σs(x) with s(x) = x + 1 for x ≥ 0 and 1/(1 − x) below. The reference code evaluates it in float64, because
    −log p loses all digits near p = 1. Written as log1p(Σ_{j≠y} s(x_j) / s(x_y)) every term is positive, nothing
    cancels, and float32 suffices.

    Args:
        logits: ``(..., V)`` float32.
        labels: ``(...)`` int64.

    Returns:
        Losses ``(...)`` float32.
    """
    size = torch.where(logits < 0, 1 / (1 - logits.clamp(max=0)), logits.clamp(min=0) + 1)
    index = labels.unsqueeze(-1)
    others = size.scatter(-1, index, 0.0).sum(-1)
    return torch.log1p(others / size.gather(-1, index).squeeze(-1))


def softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy, per position: ``(..., V)`` and ``(...)`` to ``(...)``."""
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none").view(labels.shape)


TOKEN_LOSSES: dict[str, TokenLoss] = {"stablemax": stablemax, "softmax": softmax}


def answer_loss(logits: Tensor, solution: Tensor, token_loss: TokenLoss) -> Tensor:
    """Mean token loss over the graded positions of each puzzle, ``(B,)``."""
    graded = solution != PAD_ID
    per_token = token_loss(logits.float(), solution) * graded
    return per_token.sum(-1) / graded.sum(-1).clamp(min=1)
