"""Training in legs, on machines that forget everything: what is carried is enough to go on."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from agents import same, tiny_agent, weights
from fit_processes import TINY, finish, newest_step, run, wait_until, without_clock
from processes import FORKS

from experiments.headline import legs
from hrm_agent import HRM, CheckpointError
from hrm_agent.checkpoints.folder import CheckpointFolder
from hrm_agent.checkpoints.optimizer_state import optimizer_tensors
from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training, save_training

BEGUN: list[Any] = []


SHORT = [*TINY, "--updates=30", "--evaluate-every=15"]


def start(folder: Path, arguments: list[str]) -> None:
    """As `legs.start`, but in a process that has all its imports."""
    BEGUN.append(FORKS.Process(target=run, args=(list(arguments), folder / legs.LOG)))
    BEGUN[-1].start()
    (folder / legs.PROCESS).write_text(str(BEGUN[-1].pid))


def leg(folder: Path, out: Path, *options: str, every: int = 0) -> int:
    fit = [*SHORT, f"--checkpoint-seconds={every}", "--out", str(folder)]
    return legs.main(["--out", str(out), *options, "--", *fit])


def ending(folder: Path) -> tuple[bytes, Any]:
    """What a run ends with, without what a clock has measured."""
    return (folder / "model.zip").read_bytes(), without_clock(json.loads((folder / "result.json").read_text()))


def test_three_machines_end_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, some, carried = tmp_path / "one", tmp_path / "some", tmp_path / "carried"
    outs = [tmp_path / f"out{number}" for number in range(3)]

    # the first machine: asked to stop when its time is over
    def start_and_wait(*given: Any) -> None:
        start(*given)
        wait_for_steps(some, 3)

    monkeypatch.setattr(legs, "start", start_and_wait)
    assert leg(some, outs[0], "--minutes=0", "--stop", "--piece=0.1") == 0
    first = newest_step(some)
    assert 3 <= first < 20
    pieces = sorted(outs[0].glob("step-*"))
    assert len(pieces) >= 3
    assert all(piece.stat().st_size <= 0.1 * legs.MIB for piece in pieces)
    monkeypatch.setattr(legs, "start", start)
    # the second: killed
    shutil.rmtree(some)
    shutil.move(outs[0], carried)
    assert leg(some, outs[1], "--minutes=0", f"--carried={carried}") == 0
    wait_until(lambda: newest_step(some) > first + 3, BEGUN[-1])
    assert leg(some, outs[1], "--minutes=0") == 0  # a second poll of the same run
    assert len(BEGUN) == 2
    BEGUN[-1].kill()
    BEGUN[-1].join()
    assert not legs.finished(some)
    # the third: ends
    shutil.rmtree(some)
    assert leg(some, outs[2], "--minutes=5", f"--carried={outs[1]}", every=60) == 0
    assert not list(outs[2].glob("step-*"))
    assert {"result.json", "model.zip", "train.log"} <= {file.name for file in outs[2].iterdir()}
    assert "going on after" in (some / legs.LOG).read_text()
    finish(one, *SHORT[-2:], "--checkpoint-seconds=60")
    assert ending(some) == ending(one)
    assert leg(some, outs[2]) == 0  # nothing is left to do
    assert ending(some) == ending(one)


def wait_for_steps(folder: Path, steps: int) -> None:
    """Until a process that this one knows only by its number has saved so many steps."""
    while newest_step(folder) < steps:
        time.sleep(0.001)
        assert legs.running(folder), (folder / legs.LOG).read_text()


def test_the_training_outlives_who_began_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\necho "$@"\nexec sleep 60\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    assert not legs.running(tmp_path)
    legs.start(tmp_path, ["--preset", "sudoku4x4", "--resume"])
    number = int((tmp_path / legs.PROCESS).read_text())
    assert legs.running(tmp_path)
    assert os.getsid(number) == number != os.getsid(0)
    while not (tmp_path / legs.LOG).read_text().endswith("\n"):
        time.sleep(0.01)
    assert (tmp_path / legs.LOG).read_text() == "-m train fit --preset sudoku4x4 --resume\n"
    legs.stop(tmp_path, patience=10)
    assert not legs.running(tmp_path)  # though nobody has waited for it
    os.waitpid(number, 0)


def test_a_run_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legs, "start", lambda folder, _: start(folder, [*TINY, "--halting=never"]))
    assert leg(tmp_path / "run", tmp_path / "out", "--minutes=5") == 1
    assert "halting: expected one of" in (tmp_path / "out" / legs.LOG).read_text()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A training checkpoint whose episodes are more than its weights."""
    model = tiny_agent(n_envs=256).learn(256 * 3)
    file = CheckpointFolder(tmp_path / "checkpoints").file_of(3)
    save_training(model, file)
    return file


def test_what_fits_is_carried_whole(tmp_path: Path, checkpoint: Path) -> None:
    pieces = legs.split(checkpoint, tmp_path, 100_000, checkpoint.stat().st_size)
    assert [piece.name for piece in pieces] == [f"step-00000003.zip.{n}" for n in range(len(pieces))]
    joined = legs.join(tmp_path, tmp_path / "elsewhere")
    assert joined is not None
    assert joined.read_bytes() == checkpoint.read_bytes()


def test_what_does_not_fit_goes_on_without_its_episodes(tmp_path: Path, checkpoint: Path) -> None:
    pieces = legs.split(checkpoint, tmp_path, 100_000, checkpoint.stat().st_size - 1)
    assert sum(piece.stat().st_size for piece in pieces) < checkpoint.stat().st_size / 2
    joined = legs.join(tmp_path, tmp_path / "elsewhere")
    assert joined is not None
    whole, light = (HRM.load(file, device="cpu", env=tiny_agent(n_envs=256).env) for file in (checkpoint, joined))
    assert same(weights(whole), weights(light))
    with pytest.warns(UserWarning, match="without episodes; the episodes begin anew"):
        assert restore_training(light, TrainingCheckpoint.read(joined)) == 0
    moments, rounded = (optimizer_tensors(model.learner.optimizers) for model in (whole, light))
    assert moments.keys() == rounded.keys()
    for name, moment in moments.items():
        torch.testing.assert_close(rounded[name], moment, rtol=1e-2, atol=0.0)
    assert light.learn(256 * 2, reset_num_timesteps=False)._n_updates == 5


def test_no_room_at_all_is_an_error(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"^--total: expected at least .* MiB"):
        legs.split(checkpoint, tmp_path, 100_000, 1000)
    assert not list(tmp_path.glob(".step-*"))


def test_a_missing_piece_is_an_error(tmp_path: Path, checkpoint: Path) -> None:
    legs.split(checkpoint, tmp_path, 10_000, checkpoint.stat().st_size)[3].unlink()
    with pytest.raises(CheckpointError, match=r"step-00000003\.zip: expected a complete checkpoint"):
        legs.join(tmp_path, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_without_pieces_a_run_begins(tmp_path: Path) -> None:
    assert legs.join(tmp_path, tmp_path / "elsewhere") is None
