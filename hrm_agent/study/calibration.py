"""Calibrates a threshold on σ(q_halt), with a guarantee that halting, or answering, is rarely wrong.

The method is Learn then Test (Angelopoulos et al., arXiv 2110.01052), as CALM uses it for early exits (arXiv
2207.07061, section 4). Thresholds λ₁ > λ₂ > ... are fixed in advance and tested from the most cautious one down. The
hypothesis "the risk at λ_j is above δ" is rejected if its p-value is at most α = 1 − confidence. For a loss of 0 or 1
the p-value is P(Bin(N, δ) ≤ losses), exactly. The first λ that is not rejected ends the sequence, and the λ before it
is chosen. The first λ whose risk is above δ is rejected with probability at most α, so that

    with probability ≥ 1 − α over the N calibration puzzles, the risk on new puzzles is at most δ,

if both come from the same distribution and none was trained on. The guarantee assumes nothing about the Q head; a good
one halts earlier.

The risk is the probability to halt by choice on a wrong answer. The selective risk is the share of wrong answers among
the puzzles that ``abstain(q-threshold:λ,q-threshold:λ)`` answers. Given their number n, which is random, the number of
wrong ones is Bin(n, risk), so P(Bin(n, δ) ≤ wrong) is a p-value for any n. The most cautious thresholds answer too few
puzzles to be rejected, so sequences also start at other thresholds, fixed in advance: with J starts each test has
level α/J (fixed-sequence testing with several starts, Learn then Test, algorithm 1). The lowest λ that passes is
chosen.

The binomial distribution requires independent puzzles, which variants of one puzzle are not. Therefore one puzzle of
every group, drawn at random, is tested (single subsampling; Dunn, Wasserman and Ramdas, arXiv 1809.07441): N counts
groups, and the risk refers to any puzzle of a new group. Even without a loss, ln α / ln (1 − δ) groups are needed.

A guarantee holds for one calibration. Of several, for several δ or agents, each fails with probability at most α. All
hold at once if each uses α divided by their number (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_agent.study.groups import Groups, one_of_each_group
from hrm_agent.study.metrics import Bools, Ints, at_halt
from hrm_agent.study.proportion import binomial_tail

THRESHOLDS: tuple[float, ...] = tuple(
    round(1 - distance, 6)
    for distance in (
        *(digit * 10**-power for power in (6, 5, 4, 3, 2) for digit in range(1, 10)),
        *(step / 50 for step in range(5, 50)),
    )
)
"""From 0.999999 to 0.02: nine in each decade of 1 − λ, and below 0.9 every 0.02."""


def wrong(correct: Bools, segments: Ints, by_choice: Bools) -> Bools:
    """Returns the loss of each puzzle, ``(N,)``: the policy chooses to halt, at the budget or before, and is wrong."""
    return by_choice & ~at_halt(correct, segments)


STARTS = 8
"""Number of thresholds at which the sequence of tests of the selective risk starts, evenly spaced in their list."""


@dataclass(frozen=True)
class Calibration:
    """A threshold and its guarantee.

    Attributes:
        policy: String form of the policy. If no threshold passed, ``fixed:M``, which uses the full budget; for the
            selective risk ``abstain(fixed:1,fixed:2)``, which never answers.
        threshold: λ; None if none passed.
        selective: Whether the bounded risk is the selective one.
        risk: δ.
        confidence: 1 − α.
        level: Level of each test, α or, with J starts, α/J.
        puzzles: N, the number of tested puzzles, one of each group.
        coverage: Share of the tested puzzles that are answered; 1 but for the selective risk.
        empirical_risk: Share of the answered puzzles with a loss.
        p_value: P-value of the chosen threshold; the least of all tests if none passed.
        segments_mean: Mean τ of the tested puzzles.
        exact: Accuracy of the tested puzzles at τ, where answered.
    """

    policy: str
    threshold: float | None
    selective: bool
    risk: float
    confidence: float
    level: float
    puzzles: int
    coverage: float
    empirical_risk: float
    p_value: float
    segments_mean: float
    exact: float

    @property
    def bounded(self) -> str:
        """Name of the risk."""
        return "selective risk" if self.selective else "risk (wrong)"

    def describe(self) -> str:
        """Returns the result as a line of text."""
        if self.threshold is not None:
            answers = f", {self.coverage:.1%} of which are answered" if self.selective else ""
            return (
                f"{self.policy}: {self.bounded} at most {self.risk:g} with confidence {self.confidence:.4g}; "
                f"{self.empirical_risk:.4f} on {self.puzzles} independent calibration puzzles{answers}"
            )
        needed = math.ceil(math.log(self.level) / math.log(1 - self.risk))
        return (
            f"{self.policy}: no threshold has a {self.bounded} of at most {self.risk:g} with confidence "
            f"{self.confidence:.4g} on {self.puzzles} independent calibration puzzles; {needed} are needed even "
            "without a loss"
        )


def calibrate(
    q_halt: npt.NDArray[np.floating],
    correct: Bools,
    risk: float = 0.01,
    confidence: float = 0.95,
    thresholds: Iterable[float] = THRESHOLDS,
    selective: bool = False,
    group: Groups | None = None,
    seed: int = 0,
) -> Calibration:
    """Finds the lowest threshold that passes the sequence of tests.

    Args:
        q_halt: Halting logits of the calibration puzzles, ``(N, M)``.
        correct: c_m, ``(N, M)``.
        risk: δ, between 0 and 1.
        confidence: 1 − α, between 0 and 1.
        thresholds: λ between 0 and 1 in any order, chosen independently of the calibration puzzles.
        selective: Whether to bound the selective risk of an abstaining policy, instead of the risk of a halting one.
        group: Group of each puzzle, ``(N,)``; None if no puzzle is a variant of another.
        seed: Seed for the draw of one puzzle from every group.

    Raises:
        ValueError: An argument is out of its range, or shapes do not fit.
    """
    grid = sorted(thresholds, reverse=True)
    _check(q_halt, correct, risk, confidence, grid)
    if group is not None:
        rows = one_of_each_group(group, seed)
        q_halt, correct = q_halt[rows], correct[rows]
    count, budget = correct.shape
    spacing = -(-len(grid) // STARTS) if selective else len(grid)
    level = (1 - confidence) / -(-len(grid) // spacing)
    chosen, least = _sequence(partial(_test, q_halt, correct, selective, risk), grid, spacing, level)
    policy = "" if chosen is None else f"q-threshold:{chosen.threshold}"
    policy = f"abstain({policy},{policy})" if selective and policy else policy
    if chosen is None:
        policy = "abstain(fixed:1,fixed:2)" if selective else f"fixed:{budget}"
        chosen = _Test(None, np.full(count, 1 if selective else budget), np.full(count, not selective), 0, least)
    answered = int(chosen.answered.sum())
    return Calibration(
        policy=policy,
        threshold=chosen.threshold,
        selective=selective,
        risk=risk,
        confidence=confidence,
        level=level,
        puzzles=count,
        coverage=answered / count,
        empirical_risk=chosen.losses / max(answered, 1),
        p_value=chosen.p_value,
        segments_mean=float(chosen.segments.mean()),
        exact=float((at_halt(correct, chosen.segments) & chosen.answered).mean()),
    )


class _Test(NamedTuple):
    """A tested threshold: τ and whether the policy answers, ``(N,)`` each, the number of losses, and the p-value."""

    threshold: float | None
    segments: Ints
    answered: Bools
    losses: int
    p_value: float


def _test(q_halt: npt.NDArray[np.floating], correct: Bools, selective: bool, risk: float, threshold: float) -> _Test:
    """Tests the hypothesis that a threshold's risk is above ``risk``; arguments as for `calibrate`."""
    segments, by_choice = halting_segments(q_halt, threshold)
    answered = by_choice if selective else np.ones_like(by_choice)
    losses = int(wrong(correct, segments, by_choice).sum())
    return _Test(threshold, segments, answered, losses, binomial_tail(losses, int(answered.sum()), risk))


def _sequence(
    test: Callable[[float], _Test], grid: list[float], spacing: int, level: float
) -> tuple[_Test | None, float]:
    """Runs the tests in order, from every start until one fails; returns the last that passed and the least p-value."""
    chosen, least, passing = None, math.inf, False
    for place, threshold in enumerate(grid):
        if passing or place % spacing == 0:
            tested = test(threshold)
            passing, least = tested.p_value <= level, min(least, tested.p_value)
            chosen = tested if passing else chosen
    return chosen, least


def halting_segments(q_halt: npt.NDArray[np.floating], threshold: float) -> tuple[Ints, Bools]:
    """Returns what ``q-threshold`` does with logits ``(N, M)``: τ and whether it halts by choice, ``(N,)`` each."""
    halt = q_halt.astype(np.float32, copy=False) >= np.float32(math.log(threshold / (1 - threshold)))
    by_choice = np.asarray(halt.any(1))
    return np.where(by_choice, halt.argmax(1) + 1, halt.shape[1]), by_choice


def _check(q_halt: npt.NDArray[np.floating], correct: Bools, risk: float, confidence: float, grid: list[float]) -> None:
    if q_halt.ndim != 2 or q_halt.shape != correct.shape or not q_halt.size:
        raise ValueError(f"calibrate: expected q_halt and correct (N, M), found {q_halt.shape} and {correct.shape}")
    if not grid:
        raise ValueError("calibrate: expected at least one threshold, found none")
    for name, value in (("risk", risk), ("confidence", confidence), *(("threshold", value) for value in grid)):
        if not 0 < value < 1:
            raise ValueError(f"calibrate: expected a {name} between 0 and 1, found {value}")
