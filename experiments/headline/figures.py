"""The figures of the headline run: one agent on the hard and the easy test, and the mix of both that Sudoku-Extreme is.

    python -m experiments.headline.figures --checkpoint checkpoints/NAME --hard test_hard.csv.gz --easy test_easy.csv.gz

The sweeps are a single pass at every budget of segments up to ``--budget``; the agent's own halting; and ``halt-first``
with 1, 2, 4, 8 and 16 views. A sweep takes each puzzle once. Its figures are written to ``--out`` when it ends, in the
form of ``evaluate --json``, which a model card takes (``python -m train release --evaluation FILE``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.options import Count, DeviceOptions, run
from benchmarks.report import Part, Value, machine_line
from benchmarks.timing import use_threads
from hrm_agent import HRM
from hrm_agent.halting import make
from hrm_env.devices import check_device
from hrm_env.files import atomic_write
from train.trained import TestPuzzles

HARD_SHARE = 0.784
"""Share of puzzles with a rating of at least 2 in Sudoku-Extreme's test set; the others are the easy test's."""


@dataclass(frozen=True)
class Options(DeviceOptions):
    """What to sweep.

    Attributes:
        checkpoint: Folder of a run or a release, or a .zip file.
        hard: Test puzzles with a rating of at least 2.
        easy: Test puzzles with a lower rating.
        rows: Slice of the rows of both, such as ":100"; all unless given.
        budget: Segments of the longest single pass.
        max_segments: Largest number of segments of the policies that halt; 0 for the agent's own budget.
        views: Each K of ``halt-first:K``.
        batch_size: Rows at a time, counting all views.
        out: Folder of the figures.
    """

    checkpoint: str
    hard: str
    easy: str
    rows: str | None = None
    budget: Count = 64
    max_segments: int = 0
    views: tuple[Count, ...] = (1, 2, 4, 8, 16)
    batch_size: Count = 2048
    out: Path = Path("runs/headline")


def sweep(options: Options) -> list[Part]:
    """Sweeps both tests and returns the two tables."""
    use_threads(options.threads)
    model = HRM.load(options.checkpoint, device=check_device(options.device, "--device"))
    longest = f"fixed:{options.budget}"
    policies = {longest: options.budget, model.halting.name or "": options.max_segments}
    policies |= {f"halt-first:{views}": options.max_segments for views in options.views}
    found = {policy: tests(model, policy, budget, options) for policy, budget in policies.items()}
    halting = [row(policy, *figures) for policy, figures in found.items()]
    curves = [figures["accuracy_by_segment"] for figures in found[longest]]
    marks = [2**power for power in range(options.budget.bit_length()) if 2**power <= options.budget]
    budgets: list[dict[str, Value]] = [
        {"segments": mark, **accuracies(curves[0][mark - 1], curves[1][mark - 1])} for mark in marks
    ]
    title = f"{options.checkpoint} on {machine_line(model.device)}"
    return [
        Part("halting", title, halting, ["Segments, and those computed over all views, are the mix's means."]),
        Part("budgets", "A single pass, accuracy after so many segments", budgets),
    ]


def tests(model: HRM, policy: str, budget: int, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sweeps the hard and the easy test under a policy, and writes the figures of each to a file."""
    figures = []
    for name, source in (("hard", options.hard), ("easy", options.easy)):
        puzzles = TestPuzzles(source=source, rows=options.rows)
        slots = max(1, options.batch_size // make(policy).views)
        env = puzzles.environment(model, options.checkpoint, slots, budget)
        summary = {"halting": policy, **model.evaluate(env, policy).summary()}
        figures.append(summary)
        with atomic_write(options.out / f"{name}-{policy.replace(':', '-')}.json") as file:
            file.write(json.dumps(summary, indent=2).encode())
        print(f"{name} {policy}: {summary['exact']:.2%} at {summary['segments_mean']:.2f} segments", flush=True)
    return figures[0], figures[1]


def row(policy: str, hard: Mapping[str, Any], easy: Mapping[str, Any]) -> dict[str, Value]:
    """Returns a row of the table of policies."""
    puzzles = hard["puzzles"] + easy["puzzles"]
    seconds = sum(figures["puzzles"] / figures["puzzles_per_second"] for figures in (hard, easy))
    return {
        "halting": policy,
        **accuracies(hard["exact"], easy["exact"]),
        "segments": mix(hard["segments_mean"], easy["segments_mean"]),
        "computed": mix(hard["work_mean"], easy["work_mean"]),
        "puzzles/s": puzzles / seconds,
    }


def accuracies(hard: float, easy: float) -> dict[str, Value]:
    """Returns both accuracies and that of the mix, in %."""
    return {"hard %": 100 * hard, "easy %": 100 * easy, "mix %": 100 * mix(hard, easy)}


def mix(hard: float, easy: float) -> float:
    """Returns the mean over the whole of Sudoku-Extreme's test set."""
    return HARD_SHARE * hard + (1 - HARD_SHARE) * easy


if __name__ == "__main__":
    run(Options, sweep)
