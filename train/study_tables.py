"""A study in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from rich.console import Console
from rich.table import Table

from hrm_agent.study.study import Study
from hrm_agent.study.table import Estimate, Row

from .tables import PLAIN, console, table

_FILE_WIDTH = 200
_STYLES = {"better": "bold green", "worse": "red", "trade": "yellow"}


def print_study(study: Study) -> None:
    """Prints the table, the calibrations, and the policies that were left out."""
    terminal = console(_FILE_WIDTH)
    shown = study_table(study)
    if Console(width=1000).measure(shown).maximum > terminal.width:
        shown = study_table(study, metrics=False)
    terminal.print(shown)
    compute = "segments computed" if _many_views(study) else "segments"
    drawn = "puzzles" if study.groups == study.puzzles else "groups of puzzles"
    drawn += " and checkpoints" if study.checkpoints > 1 else ""
    terminal.print(
        f"• on the frontier of accuracy and {compute}; area from 1 to {study.budget} segments {study.area:.4f}.\n"
        f"± and \\[from, to] are {study.confidence * 100:g} % intervals of the paired bootstrap over {drawn}.",
        highlight=False,
    )
    for line in study.calibrations:
        terminal.print(f"calibration: {line}", highlight=False, markup=False)
    if study.temperatures:
        temperatures = ", ".join(f"{value:.2f}" for value in study.temperatures)
        terminal.print(f"temperature of the Q head: {temperatures}", highlight=False)
    for policy, reason in study.left_out.items():
        terminal.print(f"left out: {policy}: {reason}", highlight=False, markup=False)


def study_table(study: Study, metrics: bool = True) -> Table:
    """Returns the rows as a table: the frontier, the dominated policies and the bounds, with lines between them.

    Args:
        study: The study.
        metrics: Whether to show the columns behind the verdict, which need a wide terminal.
    """
    checkpoints = f", {study.checkpoints} checkpoints" if study.checkpoints > 1 else ""
    held_out = f" ({study.calibration_puzzles:,} more for calibration)" if study.calibration_puzzles else ""
    groups = f" in {study.groups:,} groups" if study.groups < study.puzzles else ""
    title = f"{study.puzzles:,} puzzles{groups}{held_out}{checkpoints}, at most {study.budget} segments"
    computed = _many_views(study)
    silent = any(row.selective["coverage"].value < 1 for row in study.rows)
    cells: list[list[str] | None] = []
    for _, part in groupby(study.rows, lambda row: (row.family == "bound", row.frontier)):
        cells += [*(_cells(row, study.reference, silent, computed, metrics) for row in part), None]
    columns = ["", "policy", *_columns(study.reference, silent, computed, metrics)]
    return table(columns, cells[:-1], left=2, wrap=False, title=title, **PLAIN)


def _columns(reference: str, silent: bool, computed: bool, metrics: bool) -> list[str]:
    return [
        "solved %",
        *(["answered %", "wrong %\nof these"] if silent else []),
        "segments",
        *(["computed"] if computed else []),
        f"solved −\n{reference}",
        f"{'computed' if computed else 'segments'} −\n{reference}",
        "verdict",
        *(["oracle\ngap", "step\nregret", "pre-\nmature", "late"] if metrics else []),
    ]


def _cells(row: Row, reference: str, silent: bool, computed: bool, metrics: bool) -> list[str]:
    style = "bold" if row.policy == reference else ""
    name = f"{row.policy}{'  (' + row.note + ')' if row.note else ''}".replace("[", r"\[")
    verdict = "reference" if row.policy == reference else row.verdict
    return [
        "•" if row.frontier else "",
        f"[{style}]{name}[/]" if style else name,
        _percent(row.exact),
        *([_percent(row.selective["coverage"]), _percent(row.selective["risk"])] if silent else []),
        f"{row.segments.value:.2f} ±{_half(row.segments):.2f}",
        *([f"{row.work.value:.2f}"] if computed else []),
        "" if verdict == "reference" else _signed(row.gain, 100),
        "" if verdict == "reference" else _signed(row.extra, 1),
        f"[{_STYLES[verdict]}]{verdict}[/]" if verdict in _STYLES else verdict,
        *(_metrics(row.metrics) if metrics else []),
    ]


def _metrics(metrics: Mapping[str, float]) -> list[str]:
    return [
        f"{metrics['oracle_gap'] * 100:.2f}",
        f"{metrics['step_regret']:.2f}",
        f"{metrics['premature'] * 100:.2f}",
        f"{metrics['late'] * 100:.1f}",
    ]


def _many_views(study: Study) -> bool:
    """Returns whether any policy computes more segments than its halting segment."""
    return any(row.work != row.segments for row in study.rows)


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value * 100:.2f} ±{_half(estimate) * 100:.2f}"


def _half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def _signed(estimate: Estimate, factor: float) -> str:
    value, low, high = (number * factor for number in estimate)
    return f"{value:+.2f} \\[{low:+.2f} {high:+.2f}]"
