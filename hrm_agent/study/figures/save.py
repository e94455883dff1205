"""Draws all figures of a study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from hrm_agent.halting import rule_of
from hrm_agent.study.families import COLOURS
from hrm_agent.study.figures.difficulty import difficulty_figure
from hrm_agent.study.figures.frontier import frontier_figure, frontier_zoom_figure
from hrm_agent.study.figures.histograms import Stops, histograms_figure
from hrm_agent.study.figures.regret import regret_figure
from hrm_agent.study.figures.reliability import reliability_figure
from hrm_agent.study.figures.risk_coverage import risk_coverage_figure
from hrm_agent.study.figures.segments import segments_figure
from hrm_agent.study.figures.views import curves_of, views_figure
from hrm_agent.study.replays import Replays
from hrm_agent.study.study import Study
from hrm_agent.study.table import Row

_PANELS = 20


def study_figures(study: Study, replays: Replays, trained_segments: int = 0) -> dict[str, Figure]:
    """Draws the figures of a study and returns them by name.

    Args:
        study: The table.
        replays: What every policy did.
        trained_segments: Budget in training; 0 leaves it out of the figures.
    """
    scored = replays.traces
    correct = np.stack([each.correct[:, 0, : study.budget] for each in scored])
    q_halt = np.stack([each.signals["q_halt"][:, 0, : study.budget] for each in scored])
    numbers = {candidate.name: number for number, candidate in enumerate(replays.candidates)}
    reference = numbers[study.reference]
    shown = like_compute(study.rows, study.reference)

    def stops(policy: str) -> Stops:
        where, family = numbers[policy], study.row(policy).family
        return Stops(policy, replays.segments[:, where], replays.exact[:, where], COLOURS[family])

    figures = {
        "frontier": frontier_figure(study.rows, study.reference),
        "frontier-zoom": frontier_zoom_figure(study.rows, study.reference),
        "halting-segments": histograms_figure([stops(row.policy) for row in shown], study.budget),
        "reliability": reliability_figure(
            q_halt,
            correct,
            float(np.mean(study.temperatures)) if study.temperatures else None,
            np.broadcast_to(scored[0].group[:, None], correct.shape),
        ),
        "accuracy-by-segment": segments_figure(correct, trained_segments),
        "regret": regret_figure(shown),
        "risk-coverage": risk_coverage_figure(
            study.row(study.reference), replays.q_halt[:, reference], replays.right[:, reference], study.rows
        ),
    }
    if curves := curves_of(study.rows):
        figures["views"] = views_figure(curves)
    rating = scored[0].rating
    if rating.min() < rating.max():
        compared = [stops(name) for name in dict.fromkeys((study.reference, "oracle")) if name in numbers]
        figures["difficulty"] = difficulty_figure(compared, rating)
    return figures


def like_compute(rows: Sequence[Row], reference: str) -> list[Row]:
    """Returns for each rule the policy whose segments are nearest to those of the reference, at most 20 policies.

    Rules are thus compared at similar cost. The reference stands first, the others in the order of the table. Of the
    combinations only those on the frontier take part, of the bounds only the oracle.

    Args:
        rows: Rows of the study.
        reference: Name of a policy among them.
    """
    chosen = next(row for row in rows if row.policy == reference)
    nearest: dict[str, Row] = {rule_of(reference): chosen}
    for row in sorted(rows, key=lambda row: (abs(np.log(row.work.value / chosen.work.value)), row.policy)):
        if row.family not in ("combination", "bound") or row.frontier or row.policy == "oracle":
            nearest.setdefault(rule_of(row.policy), row)
    rest = [row for row in rows if row is not chosen and nearest.get(rule_of(row.policy)) is row]
    return [chosen, *rest][:_PANELS]
