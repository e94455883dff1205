"""The halting rules, one short class each, with formula and source."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_env.grading import exact_match


class QCompare(HaltingPolicy):
    """Halt where Q_halt > Q_continue (HRM, arXiv 2506.21734, section 2)."""

    def decide(self, context: HaltContext) -> Tensor:
        """Which rows halt now, ``(B,)`` bool."""
        return context.q_halt > context.q_continue


class QThreshold(HaltingPolicy):
    """Halt where σ(q_halt) ≥ τ (TRM, arXiv 2510.04871, τ = 0.5): the agent believes its answer is right."""

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"expected a threshold between 0 and 1, found {threshold}")
        self.threshold = threshold

    def decide(self, context: HaltContext) -> Tensor:
        """Which rows halt now, ``(B,)`` bool."""
        return context.q_halt.sigmoid() >= self.threshold


class Fixed(HaltingPolicy):
    """Halt at segment m = K: the baseline without a decision."""

    def __init__(self, segments: int) -> None:
        if segments < 1:
            raise ValueError(f"expected at least 1 segment, found {segments}")
        self.segments = segments

    def decide(self, context: HaltContext) -> Tensor:
        """Which rows halt now, ``(B,)`` bool."""
        return context.segment >= self.segments


class Random(HaltingPolicy):
    """Halt with probability p at every segment: the baseline that looks at nothing.

    The draw is a hash of puzzle, segment and seed, so that a run is the same for every batch size and order.
    """

    def __init__(self, probability: float, seed: int = 0) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"expected a probability from 0 to 1, found {probability}")
        self.probability, self.seed = probability, seed

    def decide(self, context: HaltContext) -> Tensor:
        """Which rows halt now, ``(B,)`` bool."""
        position = torch.arange(1, context.inputs.shape[1] + 1, device=context.inputs.device)
        key = (context.inputs * (position * 0x9E3779B1 + 0x85EBCA6B)).sum(-1)
        key = key + context.segment * 0xC2B2AE35 + self.seed * 0x27D4EB2F
        for _ in range(3):
            key = (key ^ ((key >> 15) & 0xFFFFFFFF)) * 0x2C1B3C6D
        uniform = ((key >> 16) & 0xFFFFFF).float() / 2**24
        return uniform < self.probability


class Oracle(HaltingPolicy):
    """Halt at the first right answer: the upper bound of every rule, needs the solution."""

    def decide(self, context: HaltContext) -> Tensor:
        """Which rows halt now, ``(B,)`` bool."""
        if context.solution is None:
            raise ValueError('halting "oracle" needs the solution, which only training and evaluation know')
        return exact_match(context.logits.argmax(-1), context.solution)
