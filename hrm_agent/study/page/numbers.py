"""What the charts of the page show, as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hrm_agent.halting import rule_of
from hrm_agent.study.families import COLOURS
from hrm_agent.study.metrics import flips
from hrm_agent.study.proportion import wilson
from hrm_agent.study.reliability import brier, reliability, sigmoid
from hrm_agent.study.replays import Replays
from hrm_agent.study.selective import risk_coverage
from hrm_agent.study.study import Study
from hrm_agent.study.table import Row

WRONG, RIGHT, SILENT = 0, 1, 2
"""Outcomes of a policy on a puzzle; silent is a policy that abstains."""

_CURVE = 400  # points of a risk-coverage curve, at most


def outcomes(replays: Replays) -> npt.NDArray[np.uint8]:
    """Returns what became of every puzzle, ``(S, P, N)``: `WRONG`, `RIGHT` or `SILENT`."""
    return np.where(replays.abstained, SILENT, replays.right).astype(np.uint8)


def places(study: Study, replays: Replays) -> list[int]:
    """Returns for each row of the table its place among the replayed policies."""
    numbers = {candidate.name: number for number, candidate in enumerate(replays.candidates)}
    return [numbers[row.policy] for row in study.rows]


def page_numbers(study: Study, replays: Replays, trained_segments: int) -> dict[str, Any]:
    """Returns the numbers of all charts; undefined ones are None.

    Args:
        study: The table.
        replays: What every policy did.
        trained_segments: Budget in training; 0 if unknown.
    """
    correct = np.stack([each.correct[:, 0, : study.budget] for each in replays.traces])
    q_halt = np.stack([each.signals["q_halt"][:, 0, : study.budget] for each in replays.traces])
    ended = outcomes(replays)
    policies = [
        _policy(row) | {"stops": _stops(replays.segments[:, place], ended[:, place], study.budget)}
        for row, place in zip(study.rows, places(study, replays), strict=True)
    ]
    names = ("reference", "budget", "puzzles", "checkpoints", "confidence", "area", "calibration_puzzles")
    found: dict[str, Any] = {name: getattr(study, name) for name in names} | {
        "task": replays.traces[0].header.task,
        "families": COLOURS,
        "policies": policies,
        "reliability": _reliability(study, replays, q_halt, correct),
        "segments": _segments(correct) | {"trained": trained_segments},
        "risk": _risk(study, replays),
    }
    return {name: _plain(value) for name, value in found.items()}


def _policy(row: Row) -> dict[str, Any]:
    texts = ("policy", "describe", "family", "note", "frontier", "verdict")
    estimates = ("exact", "segments", "work", "gain", "extra")
    selective = {name: row.selective[name] for name in ("coverage", "risk")}
    # a combination is a rule of its own: no line joins it to others
    rule = row.policy if "(" in row.policy else rule_of(row.policy)
    return {name: getattr(row, name) for name in (*texts, *estimates)} | selective | {"rule": rule}


def _stops(
    segments: npt.NDArray[np.int64], ended: npt.NDArray[np.uint8], budget: int
) -> list[npt.NDArray[np.floating[Any]]]:
    """Returns the share of puzzles that end at each segment, ``(M,)`` each, by outcome."""
    ends = (np.bincount(segments[ended == outcome], minlength=budget + 1) for outcome in (WRONG, RIGHT, SILENT))
    return [count[1:] / segments.size for count in ends]


def _reliability(
    study: Study, replays: Replays, q_halt: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Returns the reliability diagram of σ(q) and, with calibration, of σ(q/T)."""
    group = np.broadcast_to(replays.traces[0].group[:, None], correct.shape)
    scales = [("σ(q)", 1.0)]
    if study.temperatures:
        mean = float(np.mean(study.temperatures))
        scales.append((f"σ(q/T), T = {mean:.2f}", mean))
    found = []
    for name, temperature in scales:
        probability = sigmoid(q_halt / temperature)
        bins = reliability(probability, correct, group=group)
        interval = [wilson(*bin) for bin in zip(bins.frequency, bins.groups, strict=True)]
        errors = {"ece": bins.expected_error, "brier": brier(probability, correct)}
        found.append({"name": name, "interval": interval, **errors, **vars(bins)})
    return found


def _segments(correct: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Returns the shares of answers that are right, and were once, at each segment, and of those that turn."""
    lost, gained = flips(correct.reshape(-1, correct.shape[-1]))
    once = np.maximum.accumulate(correct, axis=-1)
    return {"now": correct.mean((0, 1)), "once": once.mean((0, 1)), "lost": lost, "gained": gained}


def _risk(study: Study, replays: Replays) -> dict[str, Any]:
    """Returns the risk-coverage curve of the reference, the mean over seeds, at up to 400 of its points."""
    place = [candidate.name for candidate in replays.candidates].index(study.reference)
    seeds = zip(replays.q_halt[:, place], replays.right[:, place], strict=True)
    coverage, risk = np.mean([risk_coverage(*seed) for seed in seeds], axis=0)
    shown = np.unique(np.linspace(0, len(risk) - 1, _CURVE).astype(np.int64))
    return {
        "coverage": coverage[shown],
        "risk": risk[shown],
        "aurc": study.row(study.reference).selective["aurc"].value,
    }


def _plain(value: Any) -> Any:
    """Returns a value as JSON holds it, numbers with seven digits."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if np.isfinite(value) else None
    return value
