"""``fit`` killed, stopped and starved of disk: the run goes on, and ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fit_processes import (
    SWEEP,
    TINY,
    UPDATES,
    ending,
    finish,
    newest_step,
    start,
    temporaries,
    wait_for_another_second,
    wait_until,
)
from paths import ROOT

from hrm_agent.checkpoints.training_state import TrainingCheckpoint
from train.__main__ import main


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an uninterrupted run leaves behind."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(folder)
    found = ending(folder)
    assert {step for step, _ in found["scalars"]["eval/exact"]} == {8 * SWEEP, 8 * UPDATES}
    assert found["result"]["updates"] == UPDATES
    return found


def kill_once(folder: Path, way: str, chance: random.Random) -> bool:
    """Starts the command and kills it; whether the kill came before the end."""
    process = start(folder, "--resume")
    if way == "writing":
        some = newest_step(folder) + chance.randint(0, 2)
        wait_until(lambda: newest_step(folder) >= some and bool(temporaries(folder)), process)
    elif way == "training":
        some = newest_step(folder) + chance.randint(1, 3)
        wait_until(lambda: newest_step(folder) >= some, process)
        time.sleep(chance.uniform(0, 0.02))
    else:
        time.sleep(chance.uniform(0, 0.15))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_a_run_killed_twenty_times_ends_as_the_run_that_was_not(tmp_path: Path, whole: dict[str, Any]) -> None:
    folder, chance = tmp_path / "run", random.Random(5)
    killed_while_writing = 0
    for kill in range(20):
        assert kill_once(folder, ("writing", "training", "any time")[kill % 3], chance)
        killed_while_writing += bool(temporaries(folder))
    assert killed_while_writing >= 3
    printed = finish(folder, "--resume")
    assert "going on after" in printed
    assert ending(folder) == whole


def test_the_command_itself_is_killed(tmp_path: Path, whole: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "train", "fit", *TINY, "--out", str(tmp_path), "--resume"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while newest_step(tmp_path) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finish(tmp_path, "--resume")
    assert ending(tmp_path) == whole


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_tells_how_to_go_on(
    tmp_path: Path, whole: dict[str, Any], number: signal.Signals, status: int
) -> None:
    folder = tmp_path / "a run"
    process = start(folder, "--restart", "--checkpoint-seconds=1000")  # only the signal saves
    wait_until((folder / "model.zip").exists, process)  # after the first sweep
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join()
    printed = folder.with_suffix(".txt").read_text()
    assert process.exitcode == status, printed
    assert "Traceback" not in printed
    told, _, command = printed.strip().splitlines()[-1].partition("; to go on: ")
    assert told == f"stopped after {newest_step(folder):,} optimizer steps, saved"
    assert SWEEP <= newest_step(folder) < UPDATES
    arguments = shlex.split(command)
    assert arguments[:4] == ["python", "-m", "train", "fit"]
    assert "--restart" not in arguments
    if number == signal.SIGTERM:
        wait_for_another_second(folder)  # the number of this process is below that of its child
        assert main(arguments[3:]) == 0
        assert ending(folder) == whole


def test_a_full_disk_costs_the_new_checkpoint_alone(tmp_path: Path, whole: dict[str, Any]) -> None:
    process = start(tmp_path / "run")
    wait_until(lambda: newest_step(tmp_path / "run") >= 20, process)
    process.kill()
    process.join()
    kept = {file: file.read_bytes() for file in (tmp_path / "run" / "checkpoints").glob("step-*.zip")}
    printed = finish(tmp_path / "run", "--resume", most_bytes=200_000, status=2)  # less than model.zip or a checkpoint
    # training and sweeps have gone on to the end; that the trained agent cannot be written is an error
    assert printed.count("not written (File too large); the run goes on, older files stay") == 2  # once for each kind
    assert printed.strip().splitlines()[-1] == f"error: [Errno 27] File too large: '{tmp_path}/run/model.zip'"
    assert {file: file.read_bytes() for file in (tmp_path / "run" / "checkpoints").glob("step-*.zip")} == kept
    finish(tmp_path / "run", "--resume")
    assert ending(tmp_path / "run") == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "run"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_was_full_is_used_again(small_disk: Path) -> None:
    process = start(small_disk, "--keep-checkpoints=1")
    wait_until(lambda: newest_step(small_disk) >= 3, process)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # until no space is left
        while True:
            file.write(bytes(4096))
    printed = small_disk.with_suffix(".txt")
    assert wait_until(lambda: "not written (No space left on device); the run goes on" in printed.read_text(), process)
    last = newest_step(small_disk)
    assert TrainingCheckpoint.read(small_disk / "checkpoints" / f"step-{last:08d}.zip").config["updates"] == last
    filler.unlink()
    assert wait_until(lambda: newest_step(small_disk) > last + 1, process)
    process.kill()
    process.join()


def test_where_checkpoints_cannot_lie_the_run_goes_on(tmp_path: Path, whole: dict[str, Any]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").write_text("a file in place of the folder")  # root writes to read-only folders
    printed = finish(tmp_path / "run")
    assert printed.count("; the run goes on, older files stay") == 1
    assert ending(tmp_path / "run") == whole
