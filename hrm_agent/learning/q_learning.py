"""Q-learning of the halting decision (paper, section 2, "Adaptive computational time")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.config import LearnerConfig
from hrm_agent.cores.core import ReasoningCore
from hrm_agent.learning.halting_loss import HaltingLoss, Outcome
from hrm_agent.learning.targets import continue_target, halt_target
from hrm_env.task import PuzzleBatch


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
