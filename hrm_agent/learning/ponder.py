"""PonderNet (arXiv 2107.05407) for deep supervision: λ_m = σ(q_halt) is the probability of halting at segment m.

An episode of τ segments has p_m = λ_m Π_{j<m} (1 − λ_j) and leaves the rest to its last segment. The loss is
Σ_m p_m L_m + β KL(p ‖ p_G), with L_m the token loss and p_G the geometric distribution of rate λ_p, cut off likewise
(section 2). Deep supervision keeps no graph between segments, so it is minimized in two parts: the network learns each
answer with its weight p_m at once, and the halting head alone learns λ_1..λ_τ from what it read in the last episode of
every row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.config import LearnerConfig
from hrm_agent.cores.core import ReasoningCore
from hrm_agent.learning.halting_loss import HaltingLoss, Outcome
from hrm_env.task import PuzzleBatch


def log_halting(logits: Tensor, length: Tensor) -> Tensor:
    """Logarithms of p_1..p_τ, ``(B, M)``; what lies past τ is not meaningful.

    Args:
        logits: Logits of λ, ``(B, M)``.
        length: τ of each row, ``(B,)`` from 1 to M.
    """
    log_stay = F.logsigmoid(-logits).cumsum(1)
    reached = torch.cat([torch.zeros_like(log_stay[:, :1]), log_stay[:, :-1]], dim=1)
    segment = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    return reached + torch.where(segment == length.unsqueeze(1), 0.0, F.logsigmoid(logits))


def ponder_loss(logits: Tensor, losses: Tensor, length: Tensor, prior: float, weight: float) -> Tensor:
    """Σ_m p_m L_m + β KL(p ‖ p_G) of each episode, ``(B,)``.

    Args:
        logits: Logits of λ, ``(B, M)``.
        losses: L_m, ``(B, M)``.
        length: τ of each row, ``(B,)``.
        prior: λ_p.
        weight: β.
    """
    log_p = log_halting(logits, length)
    log_prior = log_halting(torch.full_like(logits, math.log(prior / (1 - prior))), length)
    within = torch.arange(logits.shape[1], device=logits.device) < length.unsqueeze(1)
    return (log_p.exp() * (losses + weight * (log_p - log_prior)) * within).sum(1)


class Episodes(NamedTuple):
    """An episode in every row.

    Attributes:
        q_inputs: What the halting head read, ``(B, M, D)``.
        logits: What it made of that then, ``(B, M)``.
        losses: L_m, ``(B, M)``.
        length: Segments it has, ``(B,)`` int64; 0 where there is none yet.
    """

    q_inputs: Tensor
    logits: Tensor
    losses: Tensor
    length: Tensor


class PonderNet(HaltingLoss):
    """Remembers, of every row, the episode under way, and the last one that ended: from that one the head learns."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self._now = self._ended = Episodes(*[torch.empty(0)] * 4)

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Puts back what `state_dict` gave.

        Raises:
            ValueError: It is no memory of episodes.
        """
        super().load_state_dict(state)
        first = self._now
        for episodes in (self._now, self._ended):
            fits = all(part.shape[: first.losses.dim()] == first.losses.shape for part in episodes[:3])
            alike = [(part.shape, part.dtype) for part in episodes] == [(part.shape, part.dtype) for part in first]
            if not (fits and alike and episodes.length.shape == first.losses.shape[:1]):
                raise ValueError("halting_loss: expected the memory of as many episodes in every part, found others")
        return self

    def losses(self, core: ReasoningCore, batch: PuzzleBatch, outcome: Outcome) -> dict[str, Tensor]:
        """The weighted answer loss of this segment, and the head's loss of whole episodes; means over the batch."""
        now = self._remember(outcome)
        last = torch.where(outcome.done, outcome.segment, outcome.max_segments + 1)
        weight = log_halting(now.logits, last).gather(1, outcome.segment.unsqueeze(1) - 1).squeeze(1).exp()
        return {"answer": (weight * outcome.answer_loss).mean(), "halt": self._halt_loss(core)}

    def _halt_loss(self, core: ReasoningCore) -> Tensor:
        q_inputs, _, losses, length = self._ended
        q_halt = core.q_values(q_inputs.flatten(0, 1))[0].view_as(losses)
        episode = ponder_loss(q_halt, losses, length, self.config.ponder_prior, self.config.ponder_weight)
        return (episode * (length > 0)).mean()  # over all rows: the same for a batch that several processes share

    def _remember(self, outcome: Outcome) -> Episodes:
        """Writes this segment into each row's episode, and keeps the episodes that end with it."""
        rows = torch.arange(len(outcome.segment), device=outcome.segment.device)
        seen = [value.detach() for value in (outcome.output.q_input, outcome.output.q_halt, outcome.answer_loss)]
        if self._now.losses.shape != (len(rows), outcome.max_segments):
            empty = [new.new_zeros(len(rows), outcome.max_segments, *new.shape[1:]) for new in seen]
            self._now = Episodes(*[*empty, torch.zeros_like(outcome.segment)])
            self._ended = Episodes(*(part.clone() for part in self._now))
        for memory, new in zip(self._now, seen, strict=False):
            memory[rows, outcome.segment - 1] = new  # what an earlier episode left past it is never read
        self._now = self._now._replace(length=outcome.segment)
        self._ended = Episodes(
            *(
                torch.where(outcome.done.view(-1, *[1] * (new.dim() - 1)), new, old)
                for new, old in zip(self._now, self._ended, strict=True)
            )
        )
        return self._now
