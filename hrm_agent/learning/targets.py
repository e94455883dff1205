"""Q-learning targets of the halting decision (paper, section 2, "Adaptive computational time"), with γ = 1."""

from __future__ import annotations

import torch
from torch import Tensor


def halt_target(correct: Tensor) -> Tensor:
    """Returns G_halt = 1 if the answer is right, else 0: the reward of halting now, ``(B,)`` float32."""
    return correct.float()


def continue_target(next_q_halt: Tensor, next_q_continue: Tensor, is_last: Tensor, segment_cost: float = 0.0) -> Tensor:
    """Returns G_continue, ``(B,)``: σ(next Q_halt) if no decision is left, else σ(max(next Q_halt, next Q_continue)).

    The cost of a segment is subtracted, down to 0, because a Q value is the logit of a probability.

    Args:
        next_q_halt: Logits of halting one segment later.
        next_q_continue: Logits of continuing one segment later.
        is_last: Rows to which the budget leaves no choice, ``(B,)`` bool.
        segment_cost: Price of the segment that continuing takes, as a share of the reward of a right answer.
    """
    best = torch.where(is_last, next_q_halt, torch.maximum(next_q_halt, next_q_continue))
    return (torch.sigmoid(best) - segment_cost).clamp(min=0)
