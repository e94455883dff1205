"""The table of a study: a row for each policy, with intervals, in the order of the accuracy-compute frontier.

Compute is the number of segments computed for a puzzle, over all its views. Intervals come from the bootstrap over
puzzles, and over checkpoints where there are several. All policies share the same draws, so differences to the
reference are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_agent.study.bootstrap import Resamples, percentiles
from hrm_agent.study.families import family_of
from hrm_agent.study.frontier import frontier
from hrm_agent.study.replays import Replays
from hrm_agent.study.selective import Drawn, selective_figures

MARGIN = 0.005
"""Loss of accuracy that a `verdict` disregards: half a percentage point."""


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
        note: What distinguishes it, such as a calibration; may be empty.
        frontier: Whether no other policy, bounds excepted, is as accurate for fewer segments, or more accurate for as
            many.
        exact: Accuracy.
        segments: Halting segment.
        work: Segments computed over all views; equal to ``segments`` for one view.
        gain: Accuracy less that of the reference, puzzle by puzzle.
        extra: Segments computed less those of the reference.
        dominates: Share of resamples in which it beats the reference in one of accuracy and segments and is no worse
            in the other.
        verdict: Comparison with the reference: "better", "worse", "trade" (more, or less, of both) or "like".
        selective: The figures of `hrm_agent.study.selective.selective_figures`, and as ``NAME_difference`` each less
            that of the reference, in the same resamples.
        metrics: All scalars of `hrm_agent.study.metrics.summary`.
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
    selective: Mapping[str, Estimate]
    metrics: Mapping[str, float]


def flat(record: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass as one value a column.

    A tuple with names has a column for each of its numbers: an `Estimate` has ``exact``, ``exact_low`` and
    ``exact_high``. Entries of a mapping are columns of their own, unless a field before has their name.
    """
    return _columns(vars(record))


def _columns(named: Mapping[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, value in named.items():
        if hasattr(value, "_asdict"):
            parts = value._asdict().items()
            columns |= {name if part == "value" else f"{name}_{part}": float(number) for part, number in parts}
        elif isinstance(value, Mapping):
            columns |= {key: entry for key, entry in _columns(value).items() if key not in columns}
        else:
            columns[name] = value
    return columns


def tabulate(replays: Replays, reference: str, confidence: float, resamples: Resamples) -> tuple[Row, ...]:
    """Returns the rows in the order of the table.

    Args:
        replays: What every policy did.
        reference: Name of the policy that the others are compared with.
        confidence: Confidence of the intervals.
        resamples: Resamples of the replayed puzzles.
    """
    names = [candidate.name for candidate in replays.candidates]
    against = names.index(reference)
    drawn = {name: resamples.means(getattr(replays, name)) for name in ("exact", "segments", "work")}  # (count, P)
    found = {name: getattr(replays, name).mean((0, 2)) for name in drawn}  # (P,)
    gains, extras = (drawn[name] - drawn[name][:, [against]] for name in ("exact", "work"))
    estimates = {name: _estimates(found[name], drawn[name], confidence) for name in drawn}
    estimates["gain"] = _estimates(found["exact"] - found["exact"][against], gains, confidence)
    estimates["extra"] = _estimates(found["work"] - found["work"][against], extras, confidence)
    selective = selective_figures(replays, resamples)
    for name, (value, means) in list(selective.items()):
        selective[f"{name}_difference"] = Drawn(value - value[against], means - means[:, [against]])
    trust = {name: _estimates(*drawn, confidence) for name, drawn in selective.items()}
    no_worse = (gains >= 0) & (extras <= 0)
    dominates = (no_worse & ((gains > 0) | (extras < 0))).mean(0)
    rows = []
    for number, candidate in enumerate(replays.candidates):
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
                selective={name: column[number] for name, column in trust.items()},
                metrics=replays.metrics[number],
                **numbers,
            )
        )
    return _in_order(rows)


def verdict(gain: Estimate, extra: Estimate) -> str:
    """Returns what the intervals of accuracy and segments say about a policy against the reference.

    A difference is significant where its interval excludes 0. "better": significantly fewer segments, and at most
    `MARGIN` less accurate over the whole interval; or significantly more accurate, and not significantly more segments.
    "worse": the reverse. "trade": significantly more of both, or less of both. "like": none of these.
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
    """Sorts rows into frontier, dominated policies and bounds, each by segments, and marks the frontier."""
    own = [row for row in rows if row.family != "bound"]
    best = [own[place] for place in frontier([row.work.value for row in own], [row.exact.value for row in own])]
    on_it = {row.policy for row in best}

    def place(row: Row) -> tuple[bool, bool, float, float]:
        return row.family == "bound", row.policy not in on_it, row.work.value, -row.exact.value

    return tuple(replace(row, frontier=row.policy in on_it) for row in sorted(rows, key=place))
