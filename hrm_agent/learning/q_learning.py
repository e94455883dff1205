"""Q-learning of the halting decision (paper, section 2, "Adaptive computational time"), with γ = 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.config import LearnerConfig
from hrm_agent.cores.core import ReasoningCore
from hrm_agent.learning.halting_loss import HaltingLoss, Outcome
from hrm_env.task import PuzzleBatch


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


class QLearning(HaltingLoss):
    """Cross-entropy of Q_halt against "the answer is right", and of Q_continue against its bootstrapped target."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self._previous_q_input: Tensor | None = None

    def losses(self, core: ReasoningCore, batch: PuzzleBatch, outcome: Outcome) -> dict[str, Tensor]:
        """The answer, halt and continue losses, means over the batch."""
        halt = F.binary_cross_entropy_with_logits(outcome.output.q_halt, halt_target(outcome.correct))
        return {"answer": outcome.answer_loss.mean(), "halt": halt, **self._continue_loss(core, batch, outcome)}

    def _continue_loss(self, core: ReasoningCore, batch: PuzzleBatch, outcome: Outcome) -> dict[str, Tensor]:
        """The bootstrapped loss of Q_continue; empty for q_bootstrap "none".

        With a budget of one segment there is nothing to decide and, as in the reference code, no such loss.
        """
        output, cost = outcome.output, self.config.segment_cost
        if outcome.max_segments == 1:
            return {}
        if self.config.q_bootstrap == "second-pass":
            with torch.no_grad():
                following = core(output.carry, batch.inputs, batch.puzzle_id)
            target = continue_target(following.q_halt, following.q_continue, outcome.is_last, cost)
            return {"continue": F.binary_cross_entropy_with_logits(output.q_continue, target)}
        if self.config.q_bootstrap == "next-step":
            # Q_continue of the last segment is never trained here, so the row that reaches it bootstraps from Q_halt
            target = continue_target(output.q_halt.detach(), output.q_continue.detach(), outcome.is_last, cost)
            before = self._previous_q_input
            self._previous_q_input = output.q_input.detach()
            if before is None:
                return {"continue": torch.zeros((), device=target.device)}
            error = F.binary_cross_entropy_with_logits(core.q_values(before)[1], target, reduction="none")
            return {"continue": torch.where(outcome.segment == 1, 0.0, error).mean()}
        return {}
