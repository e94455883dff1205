"""Evaluation where the agent may halt against evaluation that always takes all segments, in turns.

    python -m benchmarks.evaluation [--checkpoint runs/sudoku6x6-seed0]

Halting computes fewer segments of a puzzle's budget; the table shows how much of that saving arrives on the clock.
Without a checkpoint a 4x4 agent is trained first, which takes about a minute.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.options import Count, TimedOptions, run
from benchmarks.presets import quiet_agent
from benchmarks.report import Part, Value
from benchmarks.timing import side_by_side
from hrm_agent.inference.evaluation import Evaluation
from train.presets import PRESETS
from train.trained import Trained

PRESET = "sudoku4x4"


@dataclass(frozen=True)
class Options(TimedOptions):
    """What to measure.

    Attributes:
        checkpoint: Folder of a run, a .zip file, zoo:NAME or hub:owner/name; empty trains an agent.
        updates: Optimizer steps of an agent that is trained here.
        puzzles: Puzzles of a sweep.
        batch_size: Puzzles at a time.
    """

    checkpoint: str = ""
    updates: Count = 1000
    puzzles: Count = 2000
    batch_size: Count = 256


def measure(options: Options) -> Part:
    """Sweeps the same puzzles both ways."""
    device = options.prepare()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint or _trained(options, Path(folder))
        puzzles = Trained(checkpoint=checkpoint, num_puzzles=options.puzzles)
        model, env = puzzles.load(options.batch_size, str(device))
    budget = env.rules.max_segments
    ways = {"all segments": f"fixed:{budget}", "halting": model.halting.name}
    found: dict[str, Evaluation] = {}

    def sweep(name: str) -> None:
        found[name] = model.evaluate(env, ways[name])

    calls = {name: lambda name=name: sweep(name) for name in ways}
    times = side_by_side(calls, options.rounds, device, options.clock)
    every, chosen = ways  # their names
    rows: list[Mapping[str, Value]] = []
    for name, evaluation in found.items():
        saving, ratio = float(found[every].segments.mean() / evaluation.segments.mean()), times.ratio(name, every)
        row: dict[str, Value] = {"evaluation": name, "solved": float(evaluation.exact.mean())}
        row |= {"segments": float(evaluation.segments.mean()), "× fewer": saving}
        row |= {"puzzles/s": len(evaluation.exact) / times.median(name), "× all": ratio, "share": ratio / saving}
        rows.append(row)
    full = found[chosen].segments == budget
    same = (found[every].answer == found[chosen].answer)[full].all(-1)
    notes = [
        "share: how much of the saving in segments arrives on the clock.",
        f"{full.sum():,} puzzles took all {budget} segments where they may halt; "
        f"{same.sum():,} of their answers are those of the other sweep.",
    ]
    agent = f"{options.checkpoint or PRESET} by {model.halting.name}"
    title = f"Evaluation of {agent}: {len(full):,} puzzles, {options.batch_size} at a time"
    return Part("evaluation", title, rows, notes)


def _trained(options: Options, folder: Path) -> str:
    """Trains a small agent and returns its checkpoint."""
    agent = quiet_agent(replace(PRESETS[PRESET], threads=options.threads, device=options.device))
    agent.learn(options.updates * agent.n_envs)
    agent.save(folder / "model.zip")
    return str(folder / "model.zip")


if __name__ == "__main__":
    run(Options, measure)
