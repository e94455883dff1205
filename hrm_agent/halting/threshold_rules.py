"""Halting rules that compare one signal with a threshold, one short class each; m is the segment."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from hrm_agent.halting.policy import HaltContext, HaltingPolicy


class Below(HaltingPolicy):
    """Halts where a signal falls below a threshold: base class of the rules that follow."""

    rule = "{signal} < {threshold}"
    parameters: ClassVar[tuple[type, ...]] = (float,)
    signal: str
    default: float

    def __init__(self, threshold: float | None = None) -> None:
        threshold = self.default if threshold is None else threshold
        if not math.isfinite(threshold):
            raise ValueError(f"expected a finite threshold, found {threshold}")
        self.threshold, self.needs = threshold, (self.signal,)

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return context[self.signal] < self.threshold


class Residual(Below):
    """Halt where ‖z_H^m − z_H^{m−1}‖ / ‖z_H^m‖ < τ (deep equilibrium models, arXiv 1909.01377; FPRM, 2606.18206)."""

    signal, default = "residual_h", 0.05
    rule = "‖Δz_H‖ / ‖z_H‖ < {threshold}"
    sweep = ("1", "0.5", "0.3", "0.2", "0.1", "0.05", "0.02", "0.01")


class KL(Below):
    """Halt where KL(p^{m−1} ‖ p^m) < τ, the mean over cells (recurrent depth, arXiv 2502.05171, section 6)."""

    signal, default = "kl", 1e-3
    rule = "KL(p^{{m−1}} ‖ p^m) < {threshold}"
    sweep = ("1", "0.3", "0.1", "0.03", "0.01", "0.003", "0.001", "0.0001")


class Entropy(Below):
    """Halt where the mean entropy of the cells is below τ nats (BranchyNet, arXiv 1709.01686)."""

    signal, default = "entropy", 0.01
    rule = "mean entropy < {threshold}"
    sweep = ("0.3", "0.1", "0.03", "0.01", "0.003", "0.001")


class Above(Below):
    """Halts where a signal rises above a threshold: base class of the rules that follow."""

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return context[self.signal] > self.threshold


class Cosine(Above):
    """Halt where cos(z_H^m, z_H^{m−1}) > τ, the mean over positions (CALM, arXiv 2207.07061, section 3)."""

    signal, default = "cosine", 0.999
    rule = "cos(z_H^m, z_H^{{m−1}}) > {threshold}"
    sweep = ("0.5", "0.8", "0.9", "0.95", "0.98", "0.99", "0.995", "0.999")


class Margin(Above):
    """Halt where the least margin of a cell's two best tokens exceeds τ (CALM, arXiv 2207.07061, section 3)."""

    signal, default = "margin", 0.9
    rule = "least margin > {threshold}"
    sweep = ("0.1", "0.3", "0.5", "0.7", "0.9", "0.95", "0.99")


class Verifier(Above):
    """Halt where the answer satisfies the puzzle's own rules; no label is read."""

    signal, default = "valid", 0.5
    rule = "the answer keeps the puzzle's rules"
    parameters = ()


class Oracle(Above):
    """Halt at the first right answer: the upper bound of every rule; needs the solution."""

    signal, default = "correct", 0.5
    rule = "the answer is right"
    parameters = ()
