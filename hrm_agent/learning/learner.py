"""The learner: one segment, one loss, one optimizer step. Torch only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.config import LearnerConfig
from hrm_agent.config.depth import check_depth
from hrm_agent.cores.carry import Carry
from hrm_agent.cores.compiling import compiled_pieces, running
from hrm_agent.cores.core import CompiledPiece, ReasoningCore, SegmentOutput
from hrm_agent.distributed import gather_sparse_gradients, replicate
from hrm_agent.halting.policy import HaltingPolicy
from hrm_agent.halting.session import HaltingSession
from hrm_agent.learning.adam_atan2 import AdamATan2
from hrm_agent.learning.average import WeightAverage
from hrm_agent.learning.halting_loss import HaltingLoss, Outcome
from hrm_agent.learning.losses import TOKEN_LOSSES
from hrm_agent.learning.metrics import halting_metrics
from hrm_agent.learning.optim import make_optimizers, split_parameters
from hrm_agent.learning.ponder import PonderNet
from hrm_agent.learning.q_learning import QLearning
from hrm_agent.learning.schedules import cycles_at
from hrm_env.envs.grading import Grade, grade
from hrm_env.task import PuzzleBatch, PuzzleTask

HALTING_LOSSES: dict[str, type[HaltingLoss]] = {"q-learning": QLearning, "pondernet": PonderNet}


class SegmentStep(NamedTuple):
    """The result of a training segment.

    Attributes:
        carry: Hidden state for the next segment, detached.
        answer: The most probable tokens, ``(B, L)`` int64.
        halt: Rows that the policy stops now, ``(B,)`` bool: the halt bit of the action.
        done: Rows that stop now, by the policy's choice or at the budget, ``(B,)`` bool.
        metrics: Values to log, each a device scalar.
    """

    carry: Carry
    answer: Tensor
    halt: Tensor
    done: Tensor
    metrics: dict[str, Tensor]


class _Segment(NamedTuple):
    """A segment before it is learned from: its output outside the graph, how right that is, and its losses."""

    output: SegmentOutput
    answer: Tensor
    grades: Grade
    halt: Tensor
    outcome: Outcome
    losses: dict[str, Tensor]


class Learner:
    """Deep supervision with ACT Q-learning (paper, section 2): every call is one segment and one optimizer step.

    Args:
        core: The network; trained in place.
        halting: The policy that decides which rows stop, exploration included; or one for each minibatch of rows, where
            a step learns from one of several.
        max_segments: The budget M_max.
        config: Options.
        task: The puzzle family, for halting rules that check the answer; None if it is not known.
    """

    def __init__(
        self,
        core: ReasoningCore,
        halting: HaltingPolicy | Sequence[HaltingPolicy],
        max_segments: int,
        config: LearnerConfig | None = None,
        task: PuzzleTask | None = None,
    ) -> None:
        self.core, self.config = core, config or LearnerConfig()
        config = self.config
        check_depth(config.depth, core.cycles)
        core.probabilities = config.token_loss
        policies = [halting] if isinstance(halting, HaltingPolicy) else halting
        self.sessions = [HaltingSession(policy, max_segments, task, core.probabilities) for policy in policies]
        self.token_loss = partial(TOKEN_LOSSES[config.token_loss], smoothing=config.label_smoothing)
        self.optimizers = make_optimizers(core, config)
        self.dense, self.sparse = split_parameters(core)
        self._forward = replicate(core, self.sparse)  # before the average is copied: all ranks begin alike
        self.ema = None if config.ema is None else WeightAverage(core, config.ema)
        self.halting_losses = [HALTING_LOSSES[config.halt_loss](config) for _ in policies]
        self._compiled: list[CompiledPiece] | None = None

    @property
    def max_segments(self) -> int:
        """The budget M_max."""
        return self.sessions[0].max_segments

    @max_segments.setter
    def max_segments(self, budget: int) -> None:
        for session in self.sessions:
            session.max_segments = budget

    @property
    def acting_core(self) -> ReasoningCore:
        """The network that is evaluated and saved for use: the moving average if there is one."""
        return self.core if self.ema is None else self.ema.module

    def set_learning_rate_factor(self, factor: float) -> None:
        """Sets the learning rate of every group to this factor of its full rate."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    @property
    def compiled(self) -> bool:
        """Whether `step` runs compiled code."""
        return bool(self._compiled)

    def compile(self, batch_size: int) -> None:
        """Compiles what `step` runs, for this batch size; if that fails, warns and goes on without."""
        if self._compiled is not None:
            return
        self._compiled = compiled_pieces(self.core, batch_size)
        for optimizer in self.optimizers:
            if isinstance(optimizer, AdamATan2) and self._compiled:  # torch's own are fused
                optimizer.compile()

    def set_progress(self, progress: float) -> None:
        """Sets the cycles of the core and of its average by the depth curriculum, if there is one.

        Args:
            progress: Share of the run that is done, from 0.
        """
        if self.config.depth:
            self.core.cycles = self.acting_core.cycles = cycles_at(self.config.depth, progress)

    def step(self, carry: Carry, batch: PuzzleBatch, segment: Tensor, minibatch: int = 0) -> SegmentStep:
        """Computes one segment for every row of a minibatch and makes one optimizer step.

        Args:
            carry: Hidden states of B rows; rows with ``segment == 0`` are reset first.
            batch: The puzzles, on the core's device.
            segment: Segments each row has used before this one, ``(B,)`` int64; 0 begins an episode.
            minibatch: Number of the minibatch.

        Raises:
            ValueError: The halting policy wants several views of each puzzle.
        """
        policy = self.sessions[minibatch].policy
        if policy.views > 1:
            raise ValueError(
                "learn: expected a halting policy of one view of each puzzle, "
                f"found one of {policy.views} views, which only predict and evaluate can use"
            )
        output, answer, grades, halt, outcome, losses = self._segment(carry, batch, segment, minibatch)
        weights = {
            "answer": 1.0,
            "halt": self.config.halt_loss_weight,
            "continue": self.config.continue_loss_weight,
        }
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        grad_norm = self._descend(loss)

        metrics = {f"{name}_loss": value.detach() for name, value in losses.items()}
        metrics |= {"loss": loss.detach(), "grad_norm": grad_norm}
        metrics |= halting_metrics(output, grades, halt, outcome.segment, self.max_segments)
        return SegmentStep(output.carry, answer, halt, outcome.done, metrics)

    @torch.no_grad()
    def rehearse(self, carry: Carry, batch: PuzzleBatch, segment: Tensor, minibatch: int = 0) -> None:
        """Takes one segment without learning: afterwards all memories have the shapes that they have in training."""
        self._segment(carry, batch, segment, minibatch)

    def _segment(self, carry: Carry, batch: PuzzleBatch, segment: Tensor, minibatch: int) -> _Segment:
        """Computes the segment of `step`, up to its losses."""
        start = segment == 0
        segment = segment + 1
        carry = self.core.reset_carry(carry, start)
        with running(self._compiled or ()), self.core.constant_weights():
            output: SegmentOutput = self._forward(carry, batch.inputs, batch.puzzle_id)
            output = output._replace(carry=self.core.training_carry(output, batch.solution))
            seen = output.detach()
            answer = seen.logits.argmax(-1)
            grades = grade(answer, batch.solution)
            halt, done, *_ = self.sessions[minibatch].decide(seen, carry, batch.inputs, start, segment, batch.solution)
            outcome = Outcome(
                output=output,
                segment=segment,
                max_segments=self.max_segments,
                done=done,
                correct=grades.exact,
                answer_loss=self.core.answer_loss(output, batch.solution, self.token_loss),
            )
            losses = self.halting_losses[minibatch].losses(self.core, batch, outcome)
        return _Segment(seen, answer, grades, halt, outcome, losses)

    def _descend(self, loss: Tensor) -> Tensor:
        """Makes the backward pass, clips, steps the optimizers and updates the average; returns the gradient's norm."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gather_sparse_gradients(self.sparse)
        grads = [p.grad for p in self.dense if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(grads)
        if self.config.max_grad_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.dense, self.config.max_grad_norm, norm)
        for optimizer in self.optimizers:
            optimizer.step()
        if self.ema is not None:
            self.ema.update(self.dense)
        return norm
