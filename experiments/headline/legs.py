"""Trains in legs on machines that are lent for a short time and keep no files; a leg's files are carried to the next.

    python -m experiments.headline.legs --minutes 9 --carried IN --out OUT -- --preset sudoku6x6

A leg starts ``python -m train fit ... --resume`` in a session of its own, which outlives the leg, or finds it running.
It waits, and then collects in ``--out`` the files to carry away, few and of bounded size: the newest training
checkpoint in pieces, the agent as a release, the figures, the end of the log and the curves. On a machine without the
run, the next leg begins with the pieces in ``--carried``. The same command starts, watches and continues a run; after
the run's end it only collects. For Linux.

A checkpoint that is too large to carry whole is carried without its episodes, which then begin anew, and with the
optimizers' state in bfloat16. A run whose checkpoints are carried whole ends on a CPU bit for bit as on one machine.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import kill
from pathlib import Path

from hrm_agent.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from hrm_agent.checkpoints.folder import CheckpointFolder
from hrm_agent.checkpoints.small_files import lightened
from hrm_agent.errors import CheckpointError
from hrm_agent.sb3.agent import HRM
from hrm_env.files import atomic_write
from train.fit import parse
from train.options import read_options
from train.presets import run_folder
from train.release import write_release
from train.running import exit_status

MIB = 1 << 20
LOG, PROCESS = "train.log", "process"


@dataclass(frozen=True)
class Options:
    """Length of a leg and limits of its files; options of ``python -m train fit`` follow after ``--``.

    Attributes:
        out: Folder of the files to carry away; its old files are deleted.
        carried: Folder with the pieces of an earlier leg.
        minutes: Longest time to wait for the end of the run.
        stop: Stop the run after that time, so that it saves itself: for the last leg on a machine.
        piece: Largest size of a file, in MiB.
        total: Largest size of all files, in MiB.
    """

    out: Path
    carried: Path | None = None
    minutes: float = 9.0
    stop: bool = False
    piece: float = 16.0
    total: float = 64.0


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Runs one leg; returns 1 where the run has ended without a result."""
    place = list(arguments).index("--") if "--" in arguments else len(arguments)
    options: Options = read_options(Options, arguments[:place], "python -m experiments.headline.legs")
    fit = list(arguments[place + 1 :])
    run = run_folder(parse(fit, "fit"))
    run.mkdir(parents=True, exist_ok=True)
    if options.carried is not None and not CheckpointFolder(run / "checkpoints").files():
        join(options.carried, run / "checkpoints")
    if not finished(run) and not running(run):
        start(run, [*fit, "--resume"])
    ends = time.monotonic() + 60 * options.minutes
    while running(run) and time.monotonic() < ends:
        time.sleep(0.2)
    stopped = options.stop and running(run)
    if stopped:
        stop(run)
    collect(run, options)
    print("\n".join((options.out / LOG).read_text(errors="replace").splitlines()[-3:]))
    for file in sorted(options.out.iterdir()):
        print(f"{file}  {file.stat().st_size / MIB:.2f} MiB")
    return 0 if stopped or running(run) or finished(run) else 1


def finished(run: Path) -> bool:
    """Whether the run has its result."""
    return (run / "result.json").is_file()


def running(run: Path) -> bool:
    """Whether the process of the run lives; a zombie does not."""
    with suppress(OSError, ValueError):
        number = int((run / PROCESS).read_text())
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def start(run: Path, arguments: Sequence[str]) -> None:
    """Starts the training so that it outlives this process and its terminal; its output is appended to the log."""
    with (run / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "train", "fit", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (run / PROCESS).write_text(str(process.pid))


def stop(run: Path, patience: float = 60.0) -> None:
    """Asks the run to save itself and to end."""
    kill(int((run / PROCESS).read_text()), signal.SIGTERM)
    ends = time.monotonic() + patience
    while running(run) and time.monotonic() < ends:
        time.sleep(0.05)


def collect(run: Path, options: Options) -> None:
    """Writes the files to carry away, the most needed first, and deletes all others in the folder."""
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    log = (run / LOG).read_bytes() if (run / LOG).is_file() else b""
    (options.out / LOG).write_bytes(log[-MIB // 4 :])
    if finished(run):
        shutil.copy(run / "result.json", options.out)
    for name in ("model.zip", "best.zip") if finished(run) else ("model.zip",):
        if (run / name).is_file():
            write_release(HRM.load(run / name, device="cpu"), options.out / name)
    if not finished(run) and (whole := CheckpointFolder(run / "checkpoints").newest()) is not None:
        room = options.total * MIB - sum(file.stat().st_size for file in options.out.iterdir())
        split(whole.path, options.out, int(options.piece * MIB), room)
    events = sorted(run.glob("tensorboard/*/events*"), key=lambda file: file.stat().st_mtime)
    carried = sum(file.stat().st_size for file in options.out.iterdir())
    if events and events[-1].stat().st_size <= min(options.piece * MIB, options.total * MIB - carried):
        shutil.copy(events[-1], options.out)


def split(file: Path, folder: Path, piece: int, room: float) -> list[Path]:
    """Writes a training checkpoint as pieces ``NAME.0``, ``NAME.1``, ..., lightened where the whole is too large.

    Args:
        file: The checkpoint.
        folder: Folder of the pieces.
        piece: Largest size of a piece, in bytes.
        room: Largest size of all pieces, in bytes.

    Raises:
        ValueError: The lightened checkpoint is too large, too.
    """
    content = file.read_bytes()
    if len(content) > room:
        light = folder / f".{file.name}"
        write_checkpoint(light, *lightened(*read_checkpoint(file)))
        content = light.read_bytes()
        light.unlink()
        if len(content) > room:
            raise ValueError(f"--total: expected at least {len(content) / MIB:.1f} MiB more, found less")
    pieces = [folder / f"{file.name}.{number}" for number in range(-(-len(content) // piece))]
    for number, path in enumerate(pieces):
        path.write_bytes(content[number * piece : (number + 1) * piece])
    return pieces


def join(folder: Path, checkpoints: Path) -> Path | None:
    """Joins the pieces in a folder to a training checkpoint, the newest where there are pieces of several.

    Raises:
        CheckpointError: A piece is missing or damaged.
    """
    first = max(folder.glob("step-*.zip.0"), default=None)
    if first is None:
        return None
    file = checkpoints / first.stem
    with atomic_write(file) as whole:
        for piece in _pieces(first):
            whole.write(piece.read_bytes())
    try:
        read_checkpoint(file)
    except CheckpointError:
        file.unlink()
        raise
    print(f"{file}: joined from the pieces in {folder}")
    return file


def _pieces(first: Path) -> Iterator[Path]:
    """Yields the pieces of a checkpoint in their order."""
    number = 0
    while (piece := first.with_suffix(f".{number}")).is_file():
        yield piece
        number += 1


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
