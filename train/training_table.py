"""What the runs of a training study come to: every variant on the same test puzzles, its seeds pooled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from hrm_agent.sb3.agent import HRM
from hrm_agent.study.bootstrap import Difference, Interval, Resamples
from hrm_agent.traces.record import Traces, record
from hrm_agent.traces.replay import replay
from hrm_env.files import atomic_write

from .environments import training_and_test_env
from .presets import Fit, run_folder
from .study_files import write_rows

Estimate = TypeVar("Estimate", Interval, Difference)

COMMON = "verifier"
"""The rule that judges every variant alike beside its own: it reads nothing that training changes but the answer."""


@dataclass(frozen=True)
class Outcome:
    """One variant.

    Attributes:
        judged: The halting policy it is judged by.
        seeds: Number of runs.
        solved: Share solved where that policy halts.
        gain: The same, over the first variant's, puzzle by puzzle.
        segments: Mean segments there.
        solved_at_budget: Share solved with all segments.
        segments_common: Mean segments under `COMMON`.
    """

    judged: str
    seeds: int
    solved: Interval
    gain: Difference
    segments: Interval
    solved_at_budget: Interval
    segments_common: Interval


def outcomes(runs: Mapping[str, Sequence[Fit]], judged: Mapping[str, str]) -> dict[str, Outcome]:
    """The table: by variant.

    Args:
        runs: The finished runs of every variant, a seed each.
        judged: The halting policy that each variant is judged by.
    """
    found: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("solved", "segments", "at_budget", "common")}
    for name, seeds in runs.items():
        traces = [traces_of(run) for run in seeds]
        group = traces[0].group  # of all variants and seeds: they are tested on the same puzzles
        own = [replay(each, judged[name]) for each in traces]
        found["solved"].append(np.stack([each.exact for each in own]))
        found["segments"].append(np.stack([each.segments for each in own]))
        found["at_budget"].append(np.stack([each.correct[:, 0, -1] for each in traces]))
        found["common"].append(np.stack([replay(each, COMMON).segments for each in traces]))
    values = {name: np.stack(column, axis=1) for name, column in found.items()}  # (S, variants, N)
    resamples = Resamples(group)
    intervals = {name: resamples.interval(column) for name, column in values.items()}
    gains = resamples.difference(values["solved"], values["solved"][:, :1])
    return {
        name: Outcome(
            judged=judged[name],
            seeds=len(seeds),
            solved=_of(intervals["solved"], number),
            gain=_of(gains, number),
            segments=_of(intervals["segments"], number),
            solved_at_budget=_of(intervals["at_budget"], number),
            segments_common=_of(intervals["common"], number),
        )
        for number, (name, seeds) in enumerate(runs.items())
    }


def traces_of(run: Fit) -> Traces:
    """The recording of a run's agent on its test puzzles; made where it is not there yet."""
    model = HRM.load(run_folder(run), device="cpu", halting="fixed:1")  # every segment is recorded
    _, test = training_and_test_env(run.data, run.batch_size, "cpu", run.seed)
    return record(model.policy.acting_core, test, run_folder(run) / "test.traces")


def _of(estimates: Estimate, number: int) -> Estimate:
    """That of one variant."""
    return type(estimates)(*(part[number] for part in estimates))


def print_table(found: Mapping[str, Outcome], title: str) -> None:
    """Prints the table: ± is half of a 95 % interval; ``all`` is solved with all segments, the last column segments."""
    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("variant", no_wrap=True)
    table.add_column("judged by", no_wrap=True)
    for column in ("solved %", "− first", "segments", "all %", COMMON):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in found.items():
        table.add_row(
            name,
            row.judged,
            _plus_minus(row.solved, 100, ".1f"),
            _plus_minus(row.gain, 100, "+.1f"),
            _plus_minus(row.segments, 1, ".2f"),
            f"{float(row.solved_at_budget.mean) * 100:.1f}",
            f"{float(row.segments_common.mean):.2f}",
        )
    Console().print(table)


def write_table(found: Mapping[str, Outcome], folder: Path) -> None:
    """Writes ``training.csv`` and ``training.json``."""
    rows = [{"variant": name, **_flat(row)} for name, row in found.items()]
    write_rows(rows, folder / "training.csv")
    with atomic_write(folder / "training.json") as file:
        file.write(json.dumps(rows, indent=2).encode())


def _flat(row: Outcome) -> dict[str, Any]:
    """One value a column: an interval is its mean, low and high."""
    flat: dict[str, Any] = {}
    for name, value in vars(row).items():
        if isinstance(value, Interval | Difference):
            flat |= {f"{name}_{part}": float(number) for part, number in value._asdict().items()}
        else:
            flat[name] = value
    return flat


def _plus_minus(estimate: Interval | Difference, scale: float, form: str) -> str:
    half = float(estimate.high - estimate.low) / 2 * scale
    return f"{float(estimate.mean) * scale:{form}} ±{half:{form.lstrip('+')}}"
