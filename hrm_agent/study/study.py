"""A study: every policy on the same recorded puzzles, compared with a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hrm_agent.halting import make
from hrm_agent.halting.policy import noise_of
from hrm_agent.study.bootstrap import Resamples
from hrm_agent.study.candidates import Candidate, calibrated, default_policies
from hrm_agent.study.frontier import frontier_area
from hrm_agent.study.groups import split_by_group
from hrm_agent.study.reliability import temperature
from hrm_agent.study.replays import Replays, check_same_puzzles, replay_all
from hrm_agent.study.table import Row, flat, tabulate
from hrm_agent.traces.header import TraceHeader
from hrm_agent.traces.record import Traces
from hrm_agent.traces.replay import why_not
from hrm_env.checks import check_flag, check_integer, check_number

if TYPE_CHECKING:
    import pandas as pd

REFERENCES = ("q-compare", "q-threshold:0.5")
"""The rule of the paper, and the rule for agents without Q_continue."""


@dataclass(frozen=True)
class Study:
    """The table of a study and its circumstances.

    Attributes:
        rows: The frontier by segments, then the dominated policies, then the bounds (policies that check the answer).
        reference: Policy that the others are compared with.
        budget: Segments.
        puzzles: Number of scored puzzles.
        checkpoints: Number of checkpoints, which are pooled as seeds.
        confidence: Confidence of the intervals.
        area: Mean accuracy over budgets of 1 to M segments along the frontier; see `frontier_area`.
        groups: Number of groups among the scored puzzles; equal to ``puzzles`` where none is a variant of another.
        calibration_puzzles: Number of puzzles held out for temperature and thresholds.
        calibrations: A line for each calibration, and one on what the guarantees mean together.
        temperatures: T of each checkpoint's Q head.
        left_out: Policies that cannot be replayed here, with the reason.
    """

    rows: tuple[Row, ...]
    reference: str
    budget: int
    puzzles: int
    checkpoints: int
    confidence: float
    area: float
    groups: int
    calibration_puzzles: int
    calibrations: tuple[str, ...]
    temperatures: tuple[float, ...]
    left_out: Mapping[str, str]

    def row(self, policy: str) -> Row:
        """Returns the row of a policy."""
        return next(row for row in self.rows if row.policy == policy)

    def frame(self) -> pd.DataFrame:
        """Returns the rows as a data frame, which is what ``study.csv`` holds; see `flat`."""
        import pandas as pd

        return pd.DataFrame([flat(row) for row in self.rows])


@dataclass(frozen=True)
class StudyPlan:
    """What to compare, and how.

    Attributes:
        policies: String forms; empty for the whole list of `default_policies`.
        extra: Policies that belong to a checkpoint, such as learned ones.
        reference: Policy that the others are compared with; empty for the first of `REFERENCES` that can be replayed.
        budget: Segments; 0 for all recorded ones.
        calibration: Share of the puzzles' groups, drawn at random, that is held out for calibration.
        risks: Accepted risks; each calibrates a policy that rarely halts by choice on a wrong answer, and one that
            abstains and whose answers are rarely wrong; see `hrm_agent.study.calibration`.
        confidence: Confidence of the intervals and of the calibration's guarantees.
        joint: Whether the guarantees of all risks and checkpoints hold at once; otherwise each holds by itself.
        resamples: Number of bootstrap resamples.
        seed: Seed for bootstrap resampling and for the draw of calibration puzzles.

    Raises:
        ValueError: A number is out of range.
    """

    policies: tuple[str, ...] = ()
    extra: tuple[Candidate, ...] = ()
    reference: str = ""
    budget: int = 0
    calibration: float = 0.2
    risks: tuple[float, ...] = (0.05, 0.02, 0.01)
    confidence: float = 0.95
    joint: bool = False
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks every number."""
        check_integer("budget", self.budget, 0)
        if check_number("calibration", self.calibration, 0, 1) == 1:
            raise ValueError(f"calibration: expected a share of the puzzles below 1, found {self.calibration}")
        for name, values in (("risks", self.risks), ("confidence", (self.confidence,))):
            for value in values:
                if check_number(name, value, 0, 1) in (0, 1):
                    raise ValueError(f"{name}: expected a number between 0 and 1, found {value}")
        check_flag("joint", self.joint)
        check_integer("resamples", self.resamples, 1)
        check_integer("seed", self.seed, 0)


def run_study(
    traces: Sequence[Traces], plan: StudyPlan | None = None, untrained: Mapping[str, str] | None = None
) -> tuple[Study, Replays]:
    """Replays all policies and compares them.

    Args:
        traces: Traces of each checkpoint, all of the same puzzles.
        plan: What to compare, and how.
        untrained: Signals that mean nothing in these agents, with the reason; policies that need them are left out.

    Returns:
        The table, and what every policy did on every scored puzzle.

    Raises:
        ValueError: The traces are of different puzzles, a number of the plan is out of range, or a policy that the plan
            names cannot be replayed.
    """
    plan = plan or StudyPlan()
    check_same_puzzles(traces)
    budget = plan.budget or min(each.header.max_segments for each in traces)
    held_out = split_by_group(traces[0].group, plan.calibration, plan.seed)
    first, rest = [each[held_out] for each in traces], [each[~held_out] for each in traces]
    reference, named, left_out = served(plan, traces[0].header, budget, untrained or {})
    thresholds: list[Candidate] = []
    lines: list[str] = []
    if held_out.any():
        thresholds, lines = calibrated(first, budget, plan.risks, plan.confidence, plan.joint, plan.seed)
    extra = [candidate for candidate in plan.extra if candidate.name not in left_out]
    candidates = _distinct([*thresholds, *(Candidate(name, (name,) * len(traces)) for name in named), *extra])
    replays = replay_all(rest, candidates, budget)
    rows = tabulate(replays, reference, plan.confidence, Resamples(rest[0].group, plan.resamples, plan.seed))
    best = [row for row in rows if row.frontier]
    costs, accuracies = [row.work.value for row in best], [row.exact.value for row in best]
    table = Study(
        rows=rows,
        reference=reference,
        budget=budget,
        puzzles=len(rest[0]),
        checkpoints=len(traces),
        confidence=plan.confidence,
        area=frontier_area(costs, accuracies, budget) if budget > 1 else float("nan"),
        groups=len(np.unique(rest[0].group)),
        calibration_puzzles=int(held_out.sum()),
        calibrations=tuple(lines),
        temperatures=tuple(_temperature(each, budget) for each in first) if held_out.any() else (),
        left_out=left_out,
    )
    return table, replays


def served(
    plan: StudyPlan, recorded: TraceHeader, budget: int, untrained: Mapping[str, str]
) -> tuple[str, list[str], dict[str, str]]:
    """Returns which policies a recording can serve, from its header alone.

    Args:
        plan: What to compare.
        recorded: Header of the recording, made or planned.
        budget: Segments.
        untrained: Signals that mean nothing in these agents, with the reason.

    Returns:
        The reference, the names of all policies that can be replayed, and for each other policy, those of a checkpoint
        included, why it cannot.

    Raises:
        ValueError: A policy that the plan names cannot be replayed.
    """
    asked_for = [name for name in (plan.reference, *plan.policies) if name]
    named = list(plan.policies) or default_policies(recorded.views, noise_of(recorded), budget)
    reasons = {name: _reason(name, recorded, untrained) for name in (*asked_for, *REFERENCES, *named)}
    for name in asked_for:
        if reasons[name]:
            raise ValueError(f"study: {name!r} cannot be replayed: {reasons[name]}")
    reference = plan.reference or next(name for name in REFERENCES if not reasons[name])
    left_out = {name: reasons[name] for name in named if reasons[name]}
    for candidate in plan.extra:
        reason = next(filter(None, (_reason(text, recorded, untrained) for text in candidate.policies)), "")
        left_out |= {candidate.name: reason} if reason else {}
    return reference, [name for name in dict.fromkeys([reference, *named]) if name not in left_out], left_out


def _reason(text: str, recorded: TraceHeader, untrained: Mapping[str, str]) -> str:
    """Returns why a policy takes no part; empty if it does."""
    policy = make(text)
    return next((untrained[name] for name in policy.needs if name in untrained), "") or why_not(policy, recorded)


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Returns the first candidate of each name, which is the one with a note."""
    by_name: dict[str, Candidate] = {}
    for candidate in candidates:
        by_name.setdefault(candidate.name, candidate)
    return list(by_name.values())


def _temperature(traces: Traces, budget: int) -> float:
    return temperature(traces.signals["q_halt"][:, 0, :budget], traces.correct[:, 0, :budget])
