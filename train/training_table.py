"""The results of a training study: every variant on the same test puzzles, with its seeds pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from hrm_agent.sb3.agent import HRM
from hrm_agent.study.bootstrap import Difference, Interval, Resamples
from hrm_agent.study.table import flat
from hrm_agent.traces.record import Traces, record
from hrm_agent.traces.replay import replay

from .environments import training_and_test_env
from .presets import Fit, run_folder
from .results import write_result
from .study_files import write_csv
from .tables import PLAIN, table

COMMON = "verifier"
"""A rule that judges every variant in addition to its own; training changes nothing that it reads but the answer."""


@dataclass(frozen=True)
class VariantResult:
    """What one variant reaches.

    Attributes:
        judged: Halting policy that judges it.
        seeds: Number of runs.
        solved: Share of puzzles solved where that policy halts.
        gain: ``solved`` less that of the first variant, puzzle by puzzle.
        segments: Mean segments where that policy halts.
        solved_at_budget: Share of puzzles solved with all segments.
        segments_common: Mean segments under `COMMON`.
    """

    judged: str
    seeds: int
    solved: Interval
    gain: Difference
    segments: Interval
    solved_at_budget: Interval
    segments_common: Interval


def results_of(runs: Mapping[str, Sequence[Fit]], judged: Mapping[str, str]) -> dict[str, VariantResult]:
    """Replays every run on its test puzzles and returns the result of each variant.

    Args:
        runs: Finished runs of every variant, one for each seed.
        judged: Halting policy that judges each variant.
    """
    outcomes = []
    for name, seeds in runs.items():
        traces = [traces_of(run) for run in seeds]
        group = traces[0].group  # all variants and seeds are tested on the same puzzles
        outcomes.append([_outcome(each, judged[name]) for each in traces])
    values = dict(zip(_COLUMNS, np.moveaxis(np.array(outcomes), 2, 0).swapaxes(1, 2), strict=True))  # (S, variants, N)
    resamples = Resamples(group)
    columns: dict[str, Interval | Difference] = {name: resamples.interval(column) for name, column in values.items()}
    columns["gain"] = resamples.difference(values["solved"], values["solved"][:, :1])
    return {
        name: VariantResult(judged[name], len(seeds), **{key: _one(each, number) for key, each in columns.items()})
        for number, (name, seeds) in enumerate(runs.items())
    }


_COLUMNS = ("solved", "segments", "solved_at_budget", "segments_common")


def _outcome(traces: Traces, policy: str) -> list[npt.NDArray[Any]]:
    """Returns the `_COLUMNS` of a run, ``(N,)`` each."""
    own = replay(traces, policy)
    return [own.exact, own.segments, traces.correct[:, 0, -1], replay(traces, COMMON).segments]


def _one(intervals: Interval | Difference, number: int) -> Any:
    """Returns the interval of one variant."""
    return type(intervals)(*(part[number] for part in intervals))


def traces_of(run: Fit) -> Traces:
    """Returns the recording of a run's agent on its test puzzles, which is made if it is missing."""
    model = HRM.load(run_folder(run), device="cpu", halting="fixed:1")  # every segment is recorded
    _, test = training_and_test_env(run.data, run.batch_size, "cpu", run.seed)
    return record(model.policy.acting_core, test, run_folder(run) / "test.traces")


def print_table(results: Mapping[str, VariantResult], title: str) -> None:
    """Prints the table; ± is half of a 95 % interval, ``all %`` the share solved with all segments."""
    rows = (
        (
            name,
            result.judged,
            _plus_minus(result.solved, 100, ".1f"),
            _plus_minus(result.gain, 100, "+.1f"),
            _plus_minus(result.segments, 1, ".2f"),
            f"{float(result.solved_at_budget.mean) * 100:.1f}",
            f"{float(result.segments_common.mean):.2f}",
        )
        for name, result in results.items()
    )
    columns = ["variant", "judged by", "solved %", "− first", "segments", "all %", COMMON]
    look = PLAIN | {"title": title, "show_edge": False, "padding": 0}
    Console().print(table(columns, rows, left=2, wrap=False, **look))


def write_table(results: Mapping[str, VariantResult], folder: Path) -> None:
    """Writes ``training.csv`` and ``training.json``."""
    import pandas as pd

    rows = [{"variant": name, **flat(result)} for name, result in results.items()]
    write_csv(pd.DataFrame(rows), folder / "training.csv")
    write_result(folder / "training.json", rows)


def _plus_minus(interval: Interval | Difference, scale: float, form: str) -> str:
    half = float(interval.high - interval.low) / 2 * scale
    return f"{float(interval.mean) * scale:{form}} ±{half:{form.lstrip('+')}}"
