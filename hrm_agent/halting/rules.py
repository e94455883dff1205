"""Halting rules, one short class each, with formula and source; m is the segment, σ the logistic function.

Rules that compare one signal with a threshold are in `threshold_rules.py`.
"""

from __future__ import annotations

import math

from torch import Tensor

from hrm_agent.halting.memory import RowMemory
from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_agent.halting.signals import hashed


class Fixed(HaltingPolicy):
    """Halt at segment m = K: the baseline without a decision."""

    rule = "m = {segments}"
    parameters = (int,)
    sweep = ("1", "2", "3", "4", "6", "8", "12", "16")

    def __init__(self, segments: int) -> None:
        if segments < 1:
            raise ValueError(f"expected at least 1 segment, found {segments}")
        self.segments = segments

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return context.segment >= self.segments


class Random(HaltingPolicy):
    """Halt with probability p at every segment: the baseline that looks at nothing.

    The draw is a hash of puzzle, segment and seed, so that figures are the same for every batch size and order. In
    training the hash includes the episode, so that a puzzle gets a new draw each time.
    """

    rule = "with probability {probability} at every segment, seed {seed}"
    needs = ("puzzle",)
    parameters = (float, int)
    sweep = ("0.1", "0.25", "0.5")

    def __init__(self, probability: float, seed: int = 0) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"expected a probability from 0 to 1, found {probability}")
        self.probability, self.seed = probability, seed

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return hash_uniform(context, self.seed) < self.probability


class QCompare(HaltingPolicy):
    """Halt where Q_halt > Q_continue and m ≥ M_min (HRM, arXiv 2506.21734, section 2)."""

    rule = "Q_halt > Q_continue, m ≥ {min_segments}"
    needs = ("q_halt", "q_continue")
    parameters = (int,)
    sweep = ("", "2", "3", "4")

    def __init__(self, min_segments: int = 1) -> None:
        if min_segments < 1:
            raise ValueError(f"expected at least 1 segment, found {min_segments}")
        self.min_segments = min_segments

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return (context["q_halt"] > context["q_continue"]) & (context.segment >= self.min_segments)


class QThreshold(HaltingPolicy):
    """Halt where σ(q_halt) ≥ τ (TRM, arXiv 2510.04871, τ = 0.5): the agent believes its answer is right."""

    rule = "σ(q_halt) ≥ {threshold}"
    needs = ("q_halt",)
    parameters = (float,)
    sweep = ("0.3", "0.5", "0.7", "0.8", "0.9", "0.95", "0.98", "0.99", "0.995")

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"expected a threshold between 0 and 1, found {threshold}")
        self.threshold = threshold

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return context["q_halt"] >= math.log(self.threshold / (1 - self.threshold))


class QMargin(HaltingPolicy):
    """Halt where q_halt − q_continue ≥ δ (a cautious form of HRM's rule, arXiv 2506.21734)."""

    rule = "q_halt − q_continue ≥ {margin}"
    needs = ("q_halt", "q_continue")
    parameters = (float,)
    sweep = ("-1", "-0.5", "-0.2", "0.2", "0.5", "1", "2")

    def __init__(self, margin: float = 0.0) -> None:
        if not math.isfinite(margin):
            raise ValueError(f"expected a finite margin, found {margin}")
        self.margin = margin

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return context["q_halt"] - context["q_continue"] >= self.margin


class Cumulative(RowMemory):
    """Halt where Σ_{j≤m} σ(q_halt^j) ≥ 1 − ε (adaptive computation time, arXiv 1603.08983, section 2)."""

    rule = "Σ σ(q_halt) ≥ 1 − {epsilon}"
    needs = ("q_halt",)
    parameters = (float,)
    sweep = ("0.01", "0.1", "0.5")

    def __init__(self, epsilon: float = 0.01) -> None:
        if not 0 <= epsilon < 1:
            raise ValueError(f"expected ε from 0 to below 1, found {epsilon}")
        super().__init__(at_start=0.0)
        self.epsilon = epsilon

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        self.memory = self.memory + context["q_halt"].double().sigmoid()
        return self.memory >= 1 - self.epsilon


class HaltingCDF(RowMemory):
    """Halt where 1 − Π_{j≤m} (1 − σ(q_halt^j)) ≥ q, the probability to have halted (Ouro, arXiv 2510.25741)."""

    rule = "1 − Π (1 − σ(q_halt)) ≥ {quantile}"
    needs = ("q_halt",)
    parameters = (float,)
    sweep = ("0.3", "0.5", "0.7", "0.9", "0.95", "0.99", "0.999")

    def __init__(self, quantile: float = 0.5) -> None:
        if not 0 < quantile < 1:
            raise ValueError(f"expected a probability between 0 and 1, found {quantile}")
        super().__init__(at_start=1.0)
        self.quantile = quantile

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        self.memory = self.memory * (-context["q_halt"].double()).sigmoid()
        return 1 - self.memory >= self.quantile


class Ponder(HaltingPolicy):
    """Halt with probability λ_m = σ(q_halt) (PonderNet, arXiv 2107.05407, section 2), drawn as `Random` draws."""

    rule = "with probability σ(q_halt), seed {seed}"
    needs = ("q_halt", "puzzle")
    parameters = (int,)

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return hash_uniform(context, self.seed) < context["q_halt"].double().sigmoid()


class Patience(RowMemory):
    """Halt where the answer has stayed the same for k segments (PABEE, arXiv 2006.04152)."""

    rule = "the answer unchanged for {segments}"
    needs = ("changed",)
    parameters = (int,)
    sweep = ("1", "2", "3", "4")

    def __init__(self, segments: int = 1) -> None:
        if segments < 1:
            raise ValueError(f"expected at least 1 segment, found {segments}")
        super().__init__(at_start=0.0)
        self.segments = segments

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        self.memory = (self.memory + 1) * (context["changed"] == 0)
        return self.memory >= self.segments


def hash_uniform(context: HaltContext, seed: int) -> Tensor:
    """Returns uniform numbers in [0, 1), ``(B,)``: hashes of puzzle, segment, seed and, in training, episode."""
    key = context["puzzle"].long() * 0x9E3779B1 + context.segment * 0xC2B2AE35 + seed * 0x27D4EB2F
    return hashed(key + context.episode * 0x165667B1).float() / 2**24
