"""PonderNet (arXiv 2107.05407) for deep supervision: λ_m = σ(q_halt) is the probability of halting at segment m.

An episode of τ segments has p_m = λ_m Π_{j<m} (1 − λ_j) and leaves the rest to its last segment. The loss is
Σ_m p_m L_m + β KL(p ‖ p_G), with L_m the token loss and p_G the geometric distribution of rate λ_p, cut off likewise
(section 2). Deep supervision keeps no graph between segments, so it is minimized in two parts: the network learns each
answer with its weight p_m at once, and when an episode ends the halting head alone learns λ_1..λ_τ from what it read.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.learning.config import LearnerConfig
from hrm_agent.learning.halting_loss import HaltingLoss, Outcome
from hrm_env.task import PuzzleBatch


def log_halting(logits: Tensor, length: Tensor) -> Tensor:
    """Logarithms of p_1..p_τ, ``(B, M)``; what lies past τ is not meaningful.

    Args:
        logits: Of λ, ``(B, M)``.
        length: τ of each row, ``(B,)`` from 1 to M.
    """
    log_stay = F.logsigmoid(-logits).cumsum(1)
    reached = torch.cat([torch.zeros_like(log_stay[:, :1]), log_stay[:, :-1]], dim=1)
    segment = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    return reached + torch.where(segment == length.unsqueeze(1), 0.0, F.logsigmoid(logits))


def ponder_loss(logits: Tensor, losses: Tensor, length: Tensor, prior: float, weight: float) -> Tensor:
    """Σ_m p_m L_m + β KL(p ‖ p_G) of each episode, ``(B,)``.

    Args:
        logits: Of λ, ``(B, M)``.
        losses: L_m, ``(B, M)``.
        length: τ of each row, ``(B,)``.
        prior: λ_p.
        weight: β.
    """
    log_p = log_halting(logits, length)
    log_prior = log_halting(torch.full_like(logits, math.log(prior / (1 - prior))), length)
    within = torch.arange(logits.shape[1], device=logits.device) < length.unsqueeze(1)
    return (log_p.exp() * (losses + weight * (log_p - log_prior)) * within).sum(1)


class PonderNet(HaltingLoss):
    """Remembers, of the episode in every row, what the halting head read, its logits and the answers' losses."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self._q_inputs, self._logits, self._losses = torch.empty(0), torch.empty(0), torch.empty(0)

    def losses(self, core: ReasoningCore, batch: PuzzleBatch, outcome: Outcome) -> dict[str, Tensor]:
        """The weighted answer loss, and the halting head's loss of the episodes that end; means over the batch."""
        self._remember(outcome)
        now = (outcome.segment - 1).unsqueeze(1)
        length = torch.where(outcome.halt, outcome.segment, outcome.max_segments + 1)
        weight = log_halting(self._logits, length).gather(1, now).squeeze(1).exp()
        q_halt, _ = core.q_values(self._q_inputs.flatten(0, 1))
        episode = ponder_loss(
            q_halt.view_as(self._logits),
            self._losses,
            outcome.segment,
            self.config.ponder_prior,
            self.config.ponder_weight,
        )
        return {"answer": (weight * outcome.answer_loss).mean(), "halt": (episode * outcome.halt).mean()}

    def _remember(self, outcome: Outcome) -> None:
        """Writes this segment into each row; what an earlier episode left past it is never read."""
        rows, now = torch.arange(len(outcome.segment), device=outcome.segment.device), outcome.segment - 1
        seen = outcome.output.q_input.detach(), outcome.output.q_halt.detach(), outcome.answer_loss.detach()
        size = (len(rows), outcome.max_segments)
        if self._logits.shape != size:
            self._q_inputs, self._logits, self._losses = (new.new_zeros(*size, *new.shape[1:]) for new in seen)
        for memory, new in zip((self._q_inputs, self._logits, self._losses), seen, strict=True):
            memory[rows, now] = new
