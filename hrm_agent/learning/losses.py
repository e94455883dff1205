"""Token losses: how wrong an answer is at each position.

Label smoothing ε (arXiv 1512.00567, section 7) makes of a loss (1 − ε) loss(y) + ε/V Σ_c loss(c): the target is the
label with the share 1 − ε, and with the rest every one of the V classes alike.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.cores.core import TokenLoss
from hrm_agent.halting.probabilities import stablemax_weights


def stablemax(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Stablemax cross-entropy (arXiv 2501.04697), per position.

    p = s(x)/Σs(x) with s(x) = x + 1 for x ≥ 0 and 1/(1 − x) below. The reference code evaluates it in float64, because
    −log p loses all digits near p = 1. Written as log1p(Σ_{j≠y} s(x_j) / s(x_y)) every term is positive, nothing
    cancels, and float32 suffices.

    Args:
        logits: ``(..., V)`` float32.
        labels: ``(...)`` int64.
        smoothing: ε of label smoothing.

    Returns:
        Losses ``(...)`` float32.
    """
    size = stablemax_weights(logits)
    index = labels.unsqueeze(-1)
    others = size.scatter(-1, index, 0.0).sum(-1)
    loss = torch.log1p(others / size.gather(-1, index).squeeze(-1))
    if not smoothing:
        return loss
    every_class = size.sum(-1).log() - size.log().mean(-1)
    return (1 - smoothing) * loss + smoothing * every_class


def softmax(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Softmax cross-entropy, per position: ``(..., V)`` and ``(...)`` to ``(...)``; ``smoothing`` as in `stablemax`."""
    each = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none", label_smoothing=smoothing)
    return each.view(labels.shape)


TOKEN_LOSSES: dict[str, TokenLoss] = {"stablemax": stablemax, "softmax": softmax}
