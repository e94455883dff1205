"""``python -m train fit`` in separate processes, which a test can kill, stop or deprive of disk space."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from event_logs import read_log
from processes import FORKS

from train.__main__ import main

UPDATES, SWEEP = 60, 30
TINY = [
    *("--preset=sudoku4x4", "--num-puzzles=40", "--test-puzzles=20", "--max-segments=3", "--seed=3"),
    *(f"--updates={UPDATES}", "--batch-size=8", f"--evaluate-every={SWEEP}", "--checkpoint-seconds=0"),
    *("--hidden-size=16", "--num-heads=1", "--dtype=float32", "--threads=1", "--device=cpu"),
]
CLOCK = {"training_seconds", "puzzles_per_second", "machine", "checkpoint_seconds", "keep_checkpoints"}
CLOCK |= {"resume", "restart", "out"}
PATIENCE = 300  # seconds after which something is wrong


def run(arguments: list[str], output: Path, most_bytes: int | None = None) -> None:
    """Runs the command in this process, with its output in a file and, if given, a limit on the size of files."""
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(handle, stream)
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    sys.exit(main(["fit", *arguments]))


def start(folder: Path, *options: str, most_bytes: int | None = None) -> ForkServerProcess:
    """Starts the command in a process that has already imported everything."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [*TINY, "--out", str(folder), *options]
    process = FORKS.Process(target=run, args=(arguments, folder.with_suffix(".txt"), most_bytes))
    process.start()
    return process


def finish(folder: Path, *options: str, most_bytes: int | None = None, status: int = 0) -> str:
    """Runs the command to its end and returns what it printed."""
    process = start(folder, *options, most_bytes=most_bytes)
    process.join(PATIENCE)
    printed = folder.with_suffix(".txt").read_text()
    assert process.exitcode == status, printed
    return printed


def wait_until(reached: Callable[[], bool], process: ForkServerProcess) -> bool:
    """Waits and returns whether the condition was reached while the process lived."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if not process.is_alive():
            return False
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.001)
    return True


def wait_for_another_second(folder: Path) -> None:
    """Waits for the next second: TensorBoard orders event files by second, then by process number."""
    newest = max(int(file.name.split(".")[3]) for file in folder.glob("tensorboard/*/events.out.tfevents.*"))
    while int(time.time()) <= newest:
        time.sleep(0.01)


def newest_step(folder: Path) -> int:
    """Returns the optimizer steps of the newest checkpoint, or 0 if there is none."""
    files = sorted((folder / "checkpoints").glob("step-*.zip"))
    return int(files[-1].stem.removeprefix("step-")) if files else 0


def temporaries(folder: Path) -> list[Path]:
    """Returns the temporary files of unfinished checkpoints."""
    return list((folder / "checkpoints").glob(".*.tmp"))


def ending(folder: Path) -> dict[str, Any]:
    """Returns everything that a finished run leaves behind, except measured times."""
    (*_, log) = sorted((folder / "tensorboard").iterdir(), key=lambda path: int(path.name.removeprefix("HRM_")))
    events = read_log(log)
    tags = [tag for tag in events.Tags()["scalars"] if "per_second" not in tag and not tag.startswith("time/")]
    return {
        "scalars": {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags},
        "result": without_clock(json.loads((folder / "result.json").read_text())),
        "weights": {name: (folder / name).read_bytes() for name in ("model.zip", "best.zip")},
        "left over": temporaries(folder),
    }


def without_clock(value: Any) -> Any:
    """Returns JSON without measured times and without options of the machine and the folder."""
    if isinstance(value, dict):
        return {name: without_clock(part) for name, part in value.items() if name not in CLOCK}
    return [without_clock(part) for part in value] if isinstance(value, list) else value
