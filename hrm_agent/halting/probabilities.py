"""Probabilities of answer tokens: the function of the token loss that the agent was trained with."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def stablemax_weights(logits: Tensor) -> Tensor:
    """Returns s(x) = x + 1 for x ≥ 0 and 1/(1 − x) for x < 0, which replaces exp(x): ``(..., V)``."""
    return torch.where(logits < 0, 1 / (1 - logits.clamp(max=0)), logits.clamp(min=0) + 1)


def log_stablemax(logits: Tensor) -> Tensor:
    """Returns the logarithm of stablemax (arXiv 2501.04697), ln s(x) − ln Σ s(x): ``(..., V)`` float32."""
    weights = stablemax_weights(logits)
    return weights.log() - weights.sum(-1, keepdim=True).log()


def log_softmax(logits: Tensor) -> Tensor:
    """Returns the logarithm of softmax, x − ln Σ exp(x): ``(..., V)`` float32."""
    return F.log_softmax(logits, -1)


LOG_PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {"stablemax": log_stablemax, "softmax": log_softmax}
"""Log-probabilities by the name of the token loss."""
