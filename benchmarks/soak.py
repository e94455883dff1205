"""Trains for an hour and watches the process: memory, open files, threads and speed shall stay as they are. For Linux.

    python -m benchmarks.soak [--minutes 60] [--preset sudoku6x6] [--out runs/soak]

The run is that of ``python -m train fit``: sweeps, TensorBoard with its pictures, training checkpoints. Every ten
seconds a row is written to ``soak.csv``; ``soak.png`` draws the rows, and the first minutes after the warm-up are
compared with the last ones. Speed is given per second of the clock and per second of CPU time, which does not count
other processes. A step's time is the median, which leaves out the sweeps and checkpoints that a minute happens to hold.
"""

from __future__ import annotations

import csv
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.options import Options as Shared
from benchmarks.report import Part, Value, print_part
from hrm_agent.checkpoints.folder import CheckpointFolder
from hrm_agent.sb3.callbacks import EvaluateCallback, HaltingDashboard
from hrm_agent.sb3.save_callback import SaveCallback
from hrm_agent.study.figures.style import new_figure, save_figure
from train.options import read_options
from train.presets import PRESETS
from train.running import exit_status
from train.training import make_agent

_ENDLESS = 10**9  # optimizer steps


@dataclass(frozen=True, kw_only=True)
class Options(Shared):
    """What to run.

    Attributes:
        minutes: Length of the run.
        warm_up: Minutes that do not count, at most a third of all: caches fill, and the agent learns to halt early,
            which gives sweeps batches of new sizes.
        window: Minutes at the beginning and at the end that are compared, at most a third of all.
        every: Seconds between samples.
        preset: Name of a preset.
        out: Folder of the run, of ``soak.csv`` and ``soak.png``.
    """

    minutes: float = 60.0
    warm_up: float = 10.0
    window: float = 5.0
    every: float = 10.0
    preset: str = "sudoku6x6"
    out: Path = Path("runs/soak")


@dataclass(frozen=True)
class Sample:
    """The process at one moment.

    Attributes:
        seconds: Clock time since the start.
        cpu_seconds: CPU time since the start.
        segments: Segments since the start.
        memory_mb: Resident memory.
        files: Open descriptors.
        threads: Threads of the process.
        step_ms: CPU time of a training step, the median since the last sample.
    """

    seconds: float
    cpu_seconds: float
    segments: int
    memory_mb: float
    files: int
    threads: int
    step_ms: float


class Sampling(BaseCallback):
    """Samples the process now and then, writes the samples as they come, and ends the run."""

    def __init__(self, path: Path, every: float, seconds: float) -> None:
        super().__init__()
        self.path, self.every, self.seconds = path, every, seconds
        self.samples: list[Sample] = []
        self._steps: list[float] = []

    def _on_training_start(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.process_time()
        self._before = self._cpu
        self.path.write_text(",".join(field.name for field in fields(Sample)) + "\n")

    def _on_step(self) -> bool:
        cpu, clock = time.process_time(), time.perf_counter() - self._clock
        self._steps.append(cpu - self._before)
        self._before = cpu
        if clock >= self.every * (len(self.samples) + 1):
            self._sample(clock, cpu - self._cpu)
        return clock < self.seconds

    def _sample(self, clock: float, cpu: float) -> None:
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        files, threads = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task"))
        step = 1e3 * statistics.median(self._steps)
        self.samples.append(Sample(clock, cpu, self.num_timesteps, memory, files, threads, step))
        self._steps.clear()
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(astuple(self.samples[-1]))


def compare(samples: Sequence[Sample], warm_up: float, window: float) -> list[tuple[str, float, float, float]]:
    """Compares the first minutes after the warm-up with the last ones.

    Args:
        samples: The samples in their order.
        warm_up: Seconds that do not count.
        window: Seconds that are compared.

    Returns:
        For each figure its name, first value, last value, and the relative change that is allowed.
    """
    first = [sample for sample in samples if warm_up <= sample.seconds <= warm_up + window]
    last = [sample for sample in samples if sample.seconds >= samples[-1].seconds - window]

    def median(part: Sequence[Sample], name: str) -> float:
        return statistics.median([float(getattr(sample, name)) for sample in part])

    def speed(part: Sequence[Sample], clock: str) -> float:
        return float((part[-1].segments - part[0].segments) / (getattr(part[-1], clock) - getattr(part[0], clock)))

    figures = [
        ("memory, MB", median, "memory_mb", 0.01),
        ("open files", median, "files", 0.0),
        ("threads", median, "threads", 0.0),
        ("ms of CPU a training step", median, "step_ms", 0.05),
        ("segments a CPU second", speed, "cpu_seconds", 0.05),
        ("segments a second", speed, "seconds", 0.05),
    ]
    return [(name, value(first, column), value(last, column), allowed) for name, value, column, allowed in figures]


def draw(samples: Sequence[Sample], stem: Path) -> None:
    """Draws memory, open files and the time of a step over the run; each axis begins at 0."""
    rows = [("memory_mb", "memory, MB"), ("files", "open files"), ("step_ms", "CPU time of a step, ms")]
    figure = new_figure(height=5.4)
    for axes, (name, label) in zip(figure.subplots(len(rows), sharex=True), rows, strict=True):
        axes.plot([sample.seconds / 60 for sample in samples], [getattr(sample, name) for sample in samples])
        axes.set_ylim(bottom=0)
        axes.set_ylabel(label)
    axes.set_xlabel("minutes")
    save_figure(figure, stem)


def run(options: Options) -> list[Sample]:
    """Trains as `fit` does, for the given time, and returns the samples."""
    fit = replace(PRESETS[options.preset], updates=_ENDLESS, threads=options.threads, out=str(options.out))
    model, test = make_agent(fit)
    sweeps = EvaluateCallback(
        test, fit.evaluate_every, save_path=options.out / "model.zip", best_path=options.out / "best.zip"
    )

    def extra() -> dict[str, Any]:
        return {"options": asdict(fit), "sweeps": sweeps.state_dict()}

    folder = CheckpointFolder(options.out / "checkpoints", fit.keep_checkpoints)
    saving = SaveCallback(folder, fit.checkpoint_seconds, extra)
    sampling = Sampling(options.out / "soak.csv", options.every, 60 * options.minutes)
    options.out.mkdir(parents=True, exist_ok=True)
    model.learn(_ENDLESS * fit.batch_size, [sweeps, HaltingDashboard(sweeps), saving, sampling])
    print(f"{model._n_updates:,} optimizer steps, {len(sweeps.history):,} sweeps")
    return sampling.samples


def main() -> int:
    """Runs, writes, and prints the comparison; returns 1 where a change is larger than allowed."""
    options: Options = read_options(Options, sys.argv[1:])
    samples = run(options)
    warm_up, window = (60 * min(part, options.minutes / 3) for part in (options.warm_up, options.window))
    draw(samples, options.out / "soak")
    rows, status = list[dict[str, Value]](), 0
    for name, first, last, allowed in compare(samples, warm_up, window):
        change = last / first - 1
        row: dict[str, Value] = {"": name, "first": f"{first:,.2f}", "last": f"{last:,.2f}", "change": f"{change:+.2%}"}
        rows.append(
            row | {"allowed": f"{allowed:.0%}", "verdict": "MORE THAN ALLOWED" if abs(change) > allowed else ""}
        )
        status |= abs(change) > allowed
    print_part(Part("soak", f"{options.preset}: the last minutes against the first", rows))
    return int(status)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
