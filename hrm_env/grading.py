"""How right an answer is. Positions whose solution is `PAD_ID` are not graded."""

from __future__ import annotations

from torch import Tensor

from hrm_env.task import PAD_ID


def exact_match(answer: Tensor, solution: Tensor) -> Tensor:
    """Whether every graded position of ``answer (B, L)`` is right: ``(B,)`` bool, the paper's metric.

    Where nothing is graded, because no solution is known, no answer is right.
    """
    graded = solution != PAD_ID
    return ((answer == solution) | ~graded).all(-1) & graded.any(-1)


def cell_accuracy(answer: Tensor, solution: Tensor) -> Tensor:
    """Share of graded positions of ``answer (B, L)`` that are right: ``(B,)`` float32."""
    graded = solution != PAD_ID
    return ((answer == solution) & graded).sum(-1) / graded.sum(-1).clamp(min=1)
