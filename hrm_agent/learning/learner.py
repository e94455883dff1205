"""The learner: one segment, one loss, one optimizer step. Torch only."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.cores.core import Carry, ReasoningCore, SegmentOutput
from hrm_agent.halting.policy import HaltingPolicy
from hrm_agent.halting.session import HaltingSession
from hrm_agent.learning.average import WeightAverage
from hrm_agent.learning.losses import TOKEN_LOSSES, answer_loss
from hrm_agent.learning.metrics import halting_metrics
from hrm_agent.learning.optim import OPTIMIZERS, SparseSignSGD, split_parameters
from hrm_agent.learning.targets import continue_target, halt_target
from hrm_env.grading import exact_match
from hrm_env.task import PuzzleBatch, PuzzleTask

OptimizerName = Literal["adam-atan2", "adamw"]
TokenLossName = Literal["stablemax", "softmax"]
Bootstrap = Literal["second-pass", "next-step", "none"]


@dataclass(frozen=True)
class LearnerConfig:
    """Options of the learning rule; the defaults are the paper's.

    Attributes:
        optimizer: ``"adam-atan2"`` or ``"adamw"``.
        learning_rate: Full rate after warm-up.
        betas: Decay of the optimizer's two moments.
        weight_decay: Decoupled weight decay.
        puzzle_embedding_lr: Rate of the puzzle embedding's sign-SGD, None for ``learning_rate``.
        token_loss: ``"stablemax"`` or ``"softmax"``.
        halt_loss_weight: Weight of the halt loss beside the token loss.
        continue_loss_weight: Weight of the continue loss.
        q_bootstrap: Where the continue target comes from: ``"second-pass"``, a second forward pass without gradient
            (reference code); ``"next-step"``, the step that is taken anyway: the stored Q-head input of the segment
            before is updated toward the values just computed; ``"none"``, no continue loss.
        max_grad_norm: Clip the gradient's norm; None, the paper's choice, leaves it.
        ema: Decay of an exponential moving average of the weights that acts and is evaluated; None for none. The
            puzzle embedding is not averaged.
    """

    optimizer: OptimizerName = "adam-atan2"
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1.0
    puzzle_embedding_lr: float | None = None
    token_loss: TokenLossName = "stablemax"
    halt_loss_weight: float = 0.5
    continue_loss_weight: float = 0.5
    q_bootstrap: Bootstrap = "second-pass"
    max_grad_norm: float | None = None
    ema: float | None = None

    @classmethod
    def of(cls, **options: Any) -> LearnerConfig:
        """A config from options by name.

        Raises:
            ValueError: An option is unknown or out of range.
        """
        unknown = sorted(set(options) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"unknown option {unknown[0]!r}; see the arguments of HRM and LearnerConfig")
        rate = options.get("learning_rate", cls.learning_rate)
        if not isinstance(rate, int | float):
            raise ValueError(
                f"learning_rate: expected a number; warmup_steps and lr_min_ratio schedule it, found {rate!r}"
            )
        return cls(**options)

    def __post_init__(self) -> None:
        """Rejects unknown names and impossible numbers."""
        choices = {"optimizer": OptimizerName, "token_loss": TokenLossName, "q_bootstrap": Bootstrap}
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                expected = ", ".join(get_args(choice))
                raise ValueError(f"{name}: expected one of {expected}, found {getattr(self, name)!r}")
        amounts = ("learning_rate", "weight_decay", "puzzle_embedding_lr", "halt_loss_weight", "continue_loss_weight")
        for name in amounts:
            if (amount := getattr(self, name)) is not None and not 0 <= amount < math.inf:
                raise ValueError(f"{name}: expected 0 or more, found {amount}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: expected decays from 0 to below 1, found {self.betas}")
        if self.max_grad_norm is not None and not self.max_grad_norm > 0:
            raise ValueError(f"max_grad_norm: expected more than 0, found {self.max_grad_norm}")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ValueError(f"ema: expected a decay from 0 to below 1, found {self.ema}")


class SegmentStep(NamedTuple):
    """What one training segment gives.

    Attributes:
        carry: Hidden state for the next segment, detached.
        answer: The most probable tokens, ``(B, L)`` int64.
        halt: Which rows stop now, the budget included, ``(B,)`` bool.
        metrics: Values to log, each a device scalar.
    """

    carry: Carry
    answer: Tensor
    halt: Tensor
    metrics: dict[str, Tensor]


class Learner:
    """Deep supervision with ACT Q-learning (paper, section 2): every call is one segment and one optimizer step.

    Args:
        core: The network; trained in place.
        halting: Decides which rows stop, exploration included.
        max_segments: The budget M_max.
        config: Options.
        task: The puzzle family, for halting rules that check the answer; None where it is not known.
    """

    def __init__(
        self,
        core: ReasoningCore,
        halting: HaltingPolicy,
        max_segments: int,
        config: LearnerConfig | None = None,
        task: PuzzleTask | None = None,
    ) -> None:
        self.core = core
        self.session = HaltingSession(halting, max_segments, task)
        self.config = config = config or LearnerConfig()
        self.token_loss = TOKEN_LOSSES[config.token_loss]
        dense, sparse = split_parameters(core)
        shared = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
        self.optimizers: list[torch.optim.Optimizer] = [
            OPTIMIZERS[config.optimizer](dense, betas=config.betas, **shared)
        ]
        if sparse:
            embedding_lr = config.learning_rate if config.puzzle_embedding_lr is None else config.puzzle_embedding_lr
            self.optimizers.append(SparseSignSGD(sparse, lr=embedding_lr, weight_decay=config.weight_decay))
        self.dense = dense
        self.ema = None if config.ema is None else WeightAverage(core, config.ema)
        self._previous_q_input: Tensor | None = None

    @property
    def max_segments(self) -> int:
        """The budget M_max."""
        return self.session.max_segments

    @max_segments.setter
    def max_segments(self, budget: int) -> None:
        self.session.max_segments = budget

    @property
    def acting_core(self) -> ReasoningCore:
        """The weights that are evaluated and saved for use: the moving average where there is one."""
        return self.core if self.ema is None else self.ema.module

    def set_learning_rate_factor(self, factor: float) -> None:
        """Scales every group's own full rate (schedules)."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def step(self, carry: Carry, batch: PuzzleBatch, segment: Tensor) -> SegmentStep:
        """One segment for every row and one optimizer step.

        Args:
            carry: Hidden states ``(B, P+L, D)``; rows with ``segment == 0`` are reset first.
            batch: The puzzles, on the core's device.
            segment: Segments each row has used before this one, ``(B,)`` int64; 0 begins an episode.
        """
        start = segment == 0
        segment = segment + 1
        carry = self.core.reset_carry(carry, start)
        output = self.core(carry, batch.inputs, batch.puzzle_id)
        answer = output.logits.argmax(-1)
        correct = exact_match(answer, batch.solution)

        losses = {
            "answer": answer_loss(output.logits, batch.solution, self.token_loss).mean(),
            "halt": F.binary_cross_entropy_with_logits(output.q_halt, halt_target(correct)),
            **self._continue_loss(output, batch, start, segment),
        }
        weights = {
            "answer": 1.0,
            "halt": self.config.halt_loss_weight,
            "continue": self.config.continue_loss_weight,
        }
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        grad_norm = self._descend(loss)

        output = SegmentOutput(output.carry, *(value.detach() for value in output[1:]))
        halt = self.session.decide(output, carry, batch.inputs, start, segment, batch.solution)
        metrics = {f"{name}_loss": value.detach() for name, value in losses.items()}
        metrics |= {"loss": loss.detach(), "grad_norm": grad_norm}
        metrics |= halting_metrics(output, answer, batch.solution, halt, segment, self.max_segments)
        return SegmentStep(output.carry, answer, halt, metrics)

    def _continue_loss(
        self, output: SegmentOutput, batch: PuzzleBatch, start: Tensor, segment: Tensor
    ) -> dict[str, Tensor]:
        """The bootstrapped loss of Q_continue; empty for q_bootstrap "none"."""
        is_last = segment >= self.max_segments
        if self.config.q_bootstrap == "second-pass":
            with torch.no_grad():
                following = self.core(output.carry, batch.inputs, batch.puzzle_id)
            target = continue_target(following.q_halt, following.q_continue, is_last)
            return {"continue": F.binary_cross_entropy_with_logits(output.q_continue, target)}
        if self.config.q_bootstrap == "next-step":
            # Q_continue of the last segment is never trained here, so the row that reaches it bootstraps from Q_halt
            target = continue_target(output.q_halt.detach(), output.q_continue.detach(), is_last)
            before = self._previous_q_input
            self._previous_q_input = output.q_input.detach()
            if before is None:
                return {"continue": torch.zeros((), device=target.device)}
            error = F.binary_cross_entropy_with_logits(self.core.q_values(before)[1], target, reduction="none")
            return {"continue": torch.where(start, 0.0, error).mean()}
        return {}

    def _descend(self, loss: Tensor) -> Tensor:
        """Backward pass, clipping, optimizer steps and moving average; returns the gradient's norm."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad for p in self.dense if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(grads)
        if self.config.max_grad_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.dense, self.config.max_grad_norm, norm)
        for optimizer in self.optimizers:
            optimizer.step()
        if self.ema is not None:
            self.ema.update(self.dense)
        return norm
