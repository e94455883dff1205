"""The table of a study: a row for each policy, with intervals, in the order of the accuracy-compute frontier.

Compute is segments computed for a puzzle, over all its views. Intervals are of the bootstrap over puzzles, and over
checkpoints where there are several, with the same draws for all policies: differences to the reference are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_agent.study.bootstrap import Resamples, percentiles
from hrm_agent.study.families import family_of
from hrm_agent.study.frontier import frontier
from hrm_agent.study.outcomes import Outcomes

MARGIN = 0.005
"""Accuracy that counts as the same in a `verdict`: half a point."""


class Estimate(NamedTuple):
    """A mean and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """A policy in the table.

    Attributes:
        policy: Its string form.
        describe: When it halts.
        family: Key of `hrm_agent.study.families.COLOURS`.
        note: What is special about it.
        frontier: No policy of the agent's own signals is as accurate for less, or more accurate for as much.
        exact: Accuracy.
        segments: Halting segment.
        work: Segments computed over all views; for one view the same.
        gain: Accuracy less the reference's, puzzle by puzzle.
        extra: Segments computed less the reference's.
        dominates: Share of resamples in which it is at least as accurate as the reference for no more segments.
        verdict: Against the reference: "better", "worse", "trade" (more of both) or "like".
        metrics: All scalars, of `hrm_agent.study.metrics.summary`.
    """

    policy: str
    describe: str
    family: str
    note: str
    frontier: bool
    exact: Estimate
    segments: Estimate
    work: Estimate
    gain: Estimate
    extra: Estimate
    dominates: float
    verdict: str
    metrics: Mapping[str, float]


def tabulate(outcomes: Outcomes, reference: str, confidence: float, resamples: Resamples) -> tuple[Row, ...]:
    """The rows of the table in its order.

    Args:
        outcomes: What every policy did.
        reference: Name of the policy that the others are compared with.
        confidence: Of the intervals.
        resamples: Of the outcomes' puzzles.
    """
    names = [candidate.name for candidate in outcomes.candidates]
    against = names.index(reference)
    drawn = {name: resamples.means(getattr(outcomes, name)) for name in ("exact", "segments", "work")}  # (count, P)
    found = {name: getattr(outcomes, name).mean((0, 2)) for name in drawn}  # (P,)
    gains, extras = (drawn[name] - drawn[name][:, [against]] for name in ("exact", "work"))
    estimates = {name: _estimates(found[name], drawn[name], confidence) for name in drawn}
    estimates["gain"] = _estimates(found["exact"] - found["exact"][against], gains, confidence)
    estimates["extra"] = _estimates(found["work"] - found["work"][against], extras, confidence)
    no_worse = (gains >= 0) & (extras <= 0)
    dominates = (no_worse & ((gains > 0) | (extras < 0))).mean(0)
    rows = []
    for number, candidate in enumerate(outcomes.candidates):
        policy = candidate.make()
        numbers = {name: column[number] for name, column in estimates.items()}
        rows.append(
            Row(
                policy=candidate.name,
                describe=policy.describe(),
                family=family_of(policy),
                note=candidate.note,
                frontier=False,
                dominates=float(dominates[number]),
                verdict="" if number == against else verdict(numbers["gain"], numbers["extra"]),
                metrics=outcomes.metrics[number],
                **numbers,
            )
        )
    return _in_order(rows)


def verdict(gain: Estimate, extra: Estimate) -> str:
    """What the intervals of accuracy and segments say against the reference.

    "better": surely fewer segments and surely at most `MARGIN` less accurate, or surely more accurate and not surely
    more segments. "worse": the reverse. "trade": surely more of both, or less of both. "like": neither.
    """
    cheaper, dearer = extra.high < 0, extra.low > 0
    up, down = gain.low > 0, gain.high < 0
    if (cheaper and gain.low >= -MARGIN) or (up and not dearer):
        return "better"
    if (dearer and gain.high <= MARGIN) or (down and not cheaper):
        return "worse"
    return "trade" if (cheaper and down) or (dearer and up) else "like"


def _estimates(means: npt.NDArray[np.float64], drawn: npt.NDArray[np.float64], confidence: float) -> list[Estimate]:
    columns = (means, *percentiles(drawn, confidence))
    return [Estimate(*map(float, values)) for values in zip(*columns, strict=True)]


def _in_order(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The frontier, the dominated policies and the bounds, each by segments; who is on the frontier is marked."""
    own = [row for row in rows if row.family != "bound"]
    best = [own[place] for place in frontier([row.work.value for row in own], [row.exact.value for row in own])]
    on_it = {row.policy for row in best}

    def place(row: Row) -> tuple[bool, bool, float, float]:
        return row.family == "bound", row.policy not in on_it, row.work.value, -row.exact.value

    return tuple(replace(row, frontier=row.policy in on_it) for row in sorted(rows, key=place))
