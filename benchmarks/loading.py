"""Seconds and memory of loading puzzles: a CSV file, and a built folder of millions. For Linux.

    python -m benchmarks.loading [--csv medium.csv.gz] [--csv-rows 100000] [--folder-rows 3800000]

Every measurement is a process of its own. The columns are its highest resident memory, in all and beyond what the
imports need, and the part of the latter that is its own in the end: the pages of a mapped file are not, because the
system can take them back.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.options import Count, Options, run
from benchmarks.report import Part, Value
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.sources.folder import write_folder
from hrm_env.tasks.sudoku.task import Sudoku
from train.options import Threads
from train.running import use_threads

TASK = Sudoku(3, 3)


@dataclass(frozen=True, kw_only=True)
class LoadingOptions(Options):
    """What to measure.

    Attributes:
        csv: A Sudoku file; one is made unless given.
        csv_rows: Rows that are read from it.
        folder_rows: Puzzles of the folder; each takes 162 bytes.
    """

    threads: Threads = 1
    csv: str | None = None
    csv_rows: Count = 100_000
    folder_rows: Count = 3_800_000


class Cost(NamedTuple):
    """Seconds by the clock and of the CPU, and memory in MB: highest in all, beyond the imports, own in the end."""

    seconds: float
    cpu: float
    total: float
    beyond: float
    own: float


def read(path: str, count: int) -> Puzzles:
    """Reads the first rows of a CSV file or a folder."""
    return load_puzzles(TASK, path, rows=f":{count}")


def make_and_step(path: str, count: int) -> PuzzleVectorEnv:
    """Makes an environment on a folder and steps it: random puzzles, 256 in each step."""
    env = PuzzleVectorEnv(TASK, 256, source=path, max_segments=1)
    env.reset(seed=0)
    actions = env.action_space.sample()
    for _ in range(count // 256):
        env.step(actions)
    return env


Load = Callable[[str, int], object]


def cost(load: Load, path: str, count: int, threads: int) -> Cost:
    """Measures the seconds and memory of one call, in this process."""
    use_threads(threads)
    imports, own = _memory("VmHWM"), _memory("RssAnon")
    started, used = time.perf_counter(), time.process_time()
    held = load(path, count)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    total, own = _memory("VmHWM"), _memory("RssAnon") - own
    del held
    return Cost(seconds, cpu, total, total - imports, own)


def measured(load: Load, path: str, count: int, threads: int) -> Cost:
    """Returns `cost` as a process of its own measures it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(cost, load, path, count, threads).result()


def _memory(field: str) -> float:
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1e3


def _many(puzzles: Puzzles, count: int) -> Puzzles:
    """Repeats puzzles until there are as many as wanted."""
    shape = (count, TASK.spec.seq_len)
    return Puzzles(np.resize(puzzles.inputs, shape), np.resize(puzzles.solution, shape))


def measure(options: LoadingOptions) -> Part:
    """Writes the files and loads each of them."""
    some = load_puzzles(TASK, num_puzzles=100)
    rows: list[dict[str, Value]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder, path = f"{temporary}/folder", options.csv or f"{temporary}/puzzles.csv.gz"
        if options.csv is None:
            write_csv(TASK, path, _many(some, options.csv_rows))
        write_folder(TASK, folder, {"train": _many(some, options.folder_rows)})
        todo: list[tuple[str, Load, str, int]] = [
            ("CSV rows", read, path, options.csv_rows),
            ("rows of a folder", read, folder, options.folder_rows),
            ("episodes on the folder", make_and_step, folder, 25_600),
        ]
        for name, load, source, count in todo:
            found = measured(load, source, count, options.threads)
            row: dict[str, Value] = {"loaded": name, "count": count, "seconds": found.seconds, "of CPU": found.cpu}
            rows.append(row | {"MB in all": found.total, "beyond imports": found.beyond, "of its own": found.own})
    return Part("loading", "Loading puzzles", rows)


if __name__ == "__main__":
    run(LoadingOptions, measure)
