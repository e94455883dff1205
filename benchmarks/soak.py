"""Trains for an hour and watches the process: memory, open files, threads and speed shall stay as they are. For Linux.

    python -m benchmarks.soak [--minutes 60] [--preset sudoku6x6] [--out runs/soak]

The run is that of ``python -m train fit``: sweeps, TensorBoard with its pictures, training checkpoints. Every ten
seconds a row is written to ``soak.csv``; ``soak.png`` draws the rows, and the first minutes after the warm-up are
compared with the last ones. Speed is given per second of the clock and per second of CPU time, which does not count
other processes. A step's time is the median, which leaves out the sweeps and checkpoints that a minute happens to hold.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.options import Options as Shared
from benchmarks.report import Part, Value, print_part
from hrm_agent.sb3.save_callback import Stopped
from hrm_agent.study.figures.style import new_figure, save_figure
from train.options import read_options
from train.presets import PRESETS
from train.running import exit_status
from train.training import fit

_ENDLESS = 10**9  # optimizer steps
ALLOWED = {
    "memory, MB": 0.01,
    "open files": 0.0,
    "threads": 0.0,
    "ms of CPU a training step": 0.05,
    "segments a CPU second": 0.05,
    "segments a second": 0.05,
}
"""The relative change that is allowed of each figure."""


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


class Sampling(BaseCallback):
    """Samples the process now and then, writes the samples as they come, and ends the run.

    A sample has the clock and CPU seconds and the segments since the start, resident memory, open descriptors, threads,
    and the CPU time of a training step, the median since the last sample.

    Args:
        path: CSV file of the samples.
        every: Seconds between samples.
        seconds: Length of the run.
    """

    def __init__(self, path: Path, every: float, seconds: float) -> None:
        super().__init__()
        self.path, self.every, self.seconds = path, every, seconds
        self.samples: list[dict[str, float]] = []
        self._steps: list[float] = []

    def _on_training_start(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.process_time()
        self._before = self._cpu

    def _on_step(self) -> bool:
        cpu, clock = time.process_time(), time.perf_counter() - self._clock
        self._steps.append(cpu - self._before)
        self._before = cpu
        if clock >= self.every * (len(self.samples) + 1):
            self._sample(clock, cpu - self._cpu)
        return clock < self.seconds

    def _sample(self, clock: float, cpu: float) -> None:
        sample = {
            "seconds": clock,
            "cpu_seconds": cpu,
            "segments": self.num_timesteps,
            "memory_mb": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6,
            "files": len(os.listdir("/proc/self/fd")),
            "threads": len(os.listdir("/proc/self/task")),
            "step_ms": 1e3 * statistics.median(self._steps),
        }
        first = not self.samples
        pd.DataFrame([sample]).to_csv(self.path, mode="w" if first else "a", header=first, index=False)
        self.samples.append(sample)
        self._steps.clear()


def figures(part: pd.DataFrame) -> dict[str, float]:
    """Returns the figures of some minutes, by the names of `ALLOWED`.

    Args:
        part: Samples, at least two.
    """
    median, spent = part.median(), part.iloc[-1] - part.iloc[0]
    speeds = [spent["segments"] / spent[clock] for clock in ("cpu_seconds", "seconds")]
    return dict(zip(ALLOWED, [*median[["memory_mb", "files", "threads", "step_ms"]], *speeds], strict=True))


def compare(samples: pd.DataFrame, warm_up: float, window: float) -> tuple[list[dict[str, Value]], bool]:
    """Compares the first minutes after the warm-up with the last ones.

    Args:
        samples: The samples in their order.
        warm_up: Seconds that do not count.
        window: Seconds that are compared.

    Returns:
        A row for each figure, and whether a change is larger than allowed.
    """
    clock = samples["seconds"]
    before = figures(samples[clock.between(warm_up, warm_up + window)])
    after = figures(samples[clock >= clock.iloc[-1] - window])
    changes = {name: after[name] / before[name] - 1 for name in ALLOWED}
    large = {name: abs(change) > ALLOWED[name] for name, change in changes.items()}
    rows: list[dict[str, Value]] = [
        {
            "": name,
            "first": f"{before[name]:,.2f}",
            "last": f"{after[name]:,.2f}",
            "change": f"{change:+.2%}",
            "allowed": f"{ALLOWED[name]:.0%}",
            "verdict": "MORE THAN ALLOWED" if large[name] else "",
        }
        for name, change in changes.items()
    ]
    return rows, any(large.values())


def draw(samples: pd.DataFrame, stem: Path) -> None:
    """Draws memory, open files and the time of a step over the run; each axis begins at 0."""
    rows = [("memory_mb", "memory, MB"), ("files", "open files"), ("step_ms", "CPU time of a step, ms")]
    figure = new_figure(height=5.4)
    for axes, (name, label) in zip(figure.subplots(len(rows), sharex=True), rows, strict=True):
        axes.plot(samples["seconds"] / 60, samples[name])
        axes.set_ylim(bottom=0)
        axes.set_ylabel(label)
    axes.set_xlabel("minutes")
    save_figure(figure, stem)


def main() -> int:
    """Trains as `fit` does, and prints the comparison; returns 1 where a change is larger than allowed."""
    options: Options = read_options(Options, sys.argv[1:])
    run = replace(
        PRESETS[options.preset], updates=_ENDLESS, threads=options.threads, out=str(options.out), restart=True
    )
    sampling = Sampling(options.out / "soak.csv", options.every, 60 * options.minutes)
    try:
        fit(run, callbacks=[sampling])
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return 128 + stopped.signal
    samples = pd.DataFrame(sampling.samples)
    warm_up, window = (60 * min(part, options.minutes / 3) for part in (options.warm_up, options.window))
    draw(samples, options.out / "soak")
    rows, failed = compare(samples, warm_up, window)
    print_part(Part("soak", f"{options.preset}: the last minutes against the first", rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
