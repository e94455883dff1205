"""The claims of the paper, and what our numbers say of each by a stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .numbers import Number

Verdict = Literal["agrees", "does not agree", "cannot be told at this size", "not measured"]


@dataclass(frozen=True)
class Condition:
    """A number that a claim says is greater than a bound, or less.

    Attributes:
        figure: Where it is measured.
        series: See `Number`.
        metric: See `Number`.
        bound: The bound.
        greater: Whether the claim says that it is greater.
        x: Where it is measured; None for the largest place.
    """

    figure: str
    series: str
    metric: str
    bound: float = 0.0
    greater: bool = True
    x: float | None = None

    def __str__(self) -> str:
        """Returns the condition as a formula."""
        return f"{self.series}: {self.metric} {'>' if self.greater else '<'} {self.bound:g}"

    def find(self, numbers: Mapping[str, Sequence[Number]]) -> Number | None:
        """Returns the number that it is about, if it was measured."""
        found = [
            each
            for each in numbers.get(self.figure, ())
            if (each.series, each.metric) == (self.series, self.metric) and self.x in (None, each.x)
        ]
        return max(found, key=lambda each: each.x, default=None)

    def verdict(self, number: Number | None) -> Verdict:
        """Returns what the interval says: it lies on the claimed side of the bound, on the other, or on both."""
        if number is None or number.low is None or number.high is None:
            return "not measured"
        above, below = number.low > self.bound, number.high < self.bound
        if above or below:
            return "agrees" if above == self.greater else "does not agree"
        return "cannot be told at this size"


LEARNED = Condition("agent", "HRM", "accuracy", 0.2)
"""What every verdict takes for granted: the HRM solves more than a fifth of the test puzzles."""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or of its critics.

    Attributes:
        text: The claim.
        paper: What the paper reports.
        conditions: What it says of our numbers; it agrees if all of them do.
    """

    text: str
    paper: str
    conditions: tuple[Condition, ...]

    def verdict(self, numbers: Mapping[str, Sequence[Number]]) -> Verdict:
        """Returns the verdict: the first of these that a condition has, else "agrees".

        Where the HRM has not `LEARNED`, its numbers tell nothing.
        """
        if LEARNED.verdict(LEARNED.find(numbers)) != "agrees":
            return "cannot be told at this size"
        found = {each.verdict(each.find(numbers)) for each in self.conditions}
        order: tuple[Verdict, ...] = ("not measured", "does not agree", "cannot be told at this size")
        return next((each for each in order if each in found), "agrees")


MARGIN = 0.02
"""Accuracy that counts as equal."""

CLAIMS = (
    Claim(
        "More depth helps HRM, and a plain transformer less",
        "figure 2: only HRM gains up to depth 512; 8 layers predict 16.9 % directly",
        (
            Condition("fig2", "HRM", "gain by depth"),
            Condition("fig2", "HRM − transformer", "gain by depth"),
        ),
    ),
    Claim(
        "Deep supervision: several segments in training reach more than one (the outer loop)",
        "ARC Prize's analysis: it brings most of HRM's gain",
        (Condition("fig2", "HRM", "gain by depth"),),
    ),
    Claim(
        "L converges within a cycle and H's update restarts it, unlike an RNN, which stands still early",
        "figure 3: residuals, without a number",
        (
            Condition("fig3", "HRM z_l", "spike ratio", 1),
            Condition("fig3", "HRM z_l / RNN", "late activity", 1),
        ),
    ),
    Claim(
        "A deep feed-forward network is active in its first and last layers alone",
        "figure 3: residuals, without a number",
        (Condition("fig3", "transformer, layers", "middle / outer layers", 1, greater=False),),
    ),
    Claim(
        f"ACT saves segments at equal accuracy (within {MARGIN:.0%})",
        "figure 5a, b",
        (
            Condition("fig5", "ACT / fixed M", "segments", 1, greater=False),
            Condition("fig5", "ACT − fixed M", "accuracy", -MARGIN),
        ),
    ),
    Claim(
        "Accuracy grows with segments at inference beyond those of training",
        "figure 5c",
        (Condition("fig5", "HRM", "gain beyond training"),),
    ),
    Claim(
        "Inner steps can be read: their answers become right from the first step to the last",
        "figure 7, without a number",
        (Condition("fig7", "HRM", "wrong cells, first − last step"),),
    ),
    Claim(
        "z_H uses more dimensions than z_L after training, but not before (ratio below 1.1)",
        "figure 8: 89.95 / 30.22 = 2.98 trained, 40.75 / 42.09 = 0.97 untrained",
        (
            Condition("fig8", "z_h / z_l, trained", "participation", 1),
            Condition("fig8", "z_h / z_l, untrained", "participation", 1.1, greater=False),
        ),
    ),
    Claim(
        "The dimensions of z_H grow with the number of puzzles, more than those of z_L",
        "figure 8: z_H grows from 10 to 100 tasks, z_L stays flat",
        (Condition("fig8", "z_h / z_l", "growth with puzzles", 1),),
    ),
    Claim(
        f"The one-step gradient suffices (within {MARGIN:.0%} of the full one at equal steps)",
        "section 2, without a number",
        (Condition("gradients", "one-step − full", "accuracy, equal steps", -MARGIN),),
    ),
    Claim(
        "HRM learns from fewer puzzles than a transformer that predicts directly (1,000 puzzles)",
        "figure 1: 55 % against 0 % on Sudoku-Extreme",
        (Condition("data", "HRM − transformer", "accuracy", x=1000),),
    ),
    Claim(
        "Two time scales help at equal parameters, operations and gradient",
        "the paper says so; ARC Prize and TRM say hardly",
        (Condition("causal", "HRM − RNN", "accuracy"),),
    ),
)
