"""``torchrun -m train fit``: one run of several processes, which outlives the death of one of them."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import on_ranks

from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.distributed import rank
from train.__main__ import main
from train.fit import parse
from train.training import make_agent

UPDATES = 40
TINY = (
    "fit --env HRM-Copy-v0 --num-puzzles 40 --test-puzzles 12 --max-segments 3 --hidden-size 16 --num-heads 1"
    " --dtype float32 --batch-size 8 --warmup-steps 5 --evaluate-every 15 --threads 1 --device cpu"
    f" --updates {UPDATES}"
).split()
SAVING = ["--checkpoint-seconds", "0", "--keep-checkpoints", "2", "--resume"]


def outcome(out: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights, and the figures that do not tell the time."""
    result = json.loads((out / "result.json").read_text())
    figures = {name: result[name] for name in ("updates", "chosen", "all_segments", "history")}
    for summary in (figures["chosen"], figures["all_segments"], *figures["history"]):
        del summary["puzzles_per_second"]
    return read_checkpoint(out / "model.zip")[1]["policy"], figures


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nothing happens to."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert on_ranks(2, main, [*TINY, "--out", str(out)]) == [0, 0]
    return out


def test_two_processes_write_one_run(undisturbed: Path) -> None:
    config, tensors = read_checkpoint(next((undisturbed / "checkpoints").glob("*.zip")))
    assert (config["num_timesteps"], config["updates"], config["options"]["n_envs"]) == (8 * UPDATES, UPDATES, 8)
    assert len(list((undisturbed / "tensorboard").rglob("events*"))) == 1
    first, second = tensors["rank0"]["environment/inputs"], tensors["rank1"]["environment/inputs"]
    assert len(first) == len(second) == 4
    assert not torch.equal(first, second), "both ranks have the same puzzles"


def test_a_killed_worker_is_restarted_and_the_run_ends_as_if_it_had_not_been(undisturbed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", "1", "-m", "train", *TINY, *SAVING, "--out", str(tmp_path)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while not list(tmp_path.glob("checkpoints/step-*[1-9].zip")):
            assert run.poll() is None, run.communicate()[0]
            time.sleep(0.02)
        workers = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(int(workers[-1]), signal.SIGKILL)
        told = run.communicate(timeout=240)[0]
    finally:
        run.kill()
    assert run.returncode == 0, told
    assert "going on after" in told
    weights, figures = outcome(tmp_path)
    expected_weights, expected_figures = outcome(undisturbed)
    assert figures == expected_figures
    for name, weight in expected_weights.items():
        assert torch.equal(weights[name], weight), name


def stopped(out: Path) -> tuple[int, str]:
    """How this rank ends when rank 1 gets SIGTERM once there is a checkpoint, and what it says."""

    def ask_to_stop() -> None:
        while not list(out.glob("checkpoints/*.zip")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    if rank() == 1:
        threading.Thread(target=ask_to_stop, daemon=True).start()
    sys.stderr = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        main([*TINY, *SAVING, "--updates", "4000", "--out", str(out)])
    return int(str(caught.value)), sys.stderr.getvalue()


def test_a_signal_to_one_process_stops_all_of_them(tmp_path: Path) -> None:
    (first, said), (second, silent) = on_ranks(2, stopped, tmp_path)
    assert first == second == 128 + signal.SIGTERM
    assert "saved; to go on: torchrun --nproc-per-node 2 -m train fit" in said
    assert "to go on" not in silent
    newest = max((tmp_path / "checkpoints").glob("*.zip"))
    assert read_checkpoint(newest)[0]["updates"] == int(newest.stem.partition("-")[2])


def test_another_number_of_processes_goes_on_with_fresh_episodes(
    undisturbed: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    shutil.copytree(undisturbed / "checkpoints", tmp_path / "checkpoints")
    assert main([*TINY, *SAVING, "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "result.json").read_text())["updates"] == UPDATES
    assert any("written by 2 processes, now there are 1; the episodes begin anew" in str(w.message) for w in recwarn)


def refused(out: Path) -> str:
    with pytest.raises(ValueError, match="--batch-size") as caught:
        make_agent(parse([*TINY[1:], "--batch-size", "7", "--out", str(out)], "fit"))
    return str(caught.value)


def test_a_batch_must_be_shared_evenly(tmp_path: Path) -> None:
    assert on_ranks(2, refused, tmp_path) == 2 * ["--batch-size: expected a multiple of 2 processes, found 7"]
