"""A run that begins with the weights of an agent."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from agents import tiny_agent

from hrm_agent import HRM
from train.__main__ import main

RUN = [
    "fit",
    "--preset",
    "sudoku4x4",
    "--num-puzzles",
    "20",
    "--test-puzzles",
    "20",
    "--evaluate-every",
    "0",
    "--updates",
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "first"
    assert main([*RUN, "3", "--out", str(path)]) == 0
    return path


def acting(path: Path) -> dict[str, torch.Tensor]:
    return dict(HRM.load(path, device="cpu").policy.acting_core.state_dict())


@pytest.mark.parametrize("ema", ["0.5", "None"])
def test_a_run_begins_with_the_weights_that_act(first: Path, ema: str, tmp_path: Path) -> None:
    out = tmp_path / "second"
    still = ["--learning-rate", "1e-12", "--seed", "5", "--ema", ema]
    assert main([*RUN, "1", *still, "--checkpoint", str(first), "--out", str(out)]) == 0
    assert HRM.load(out, device="cpu")._n_updates == 1
    for name, weight in acting(first).items():
        torch.testing.assert_close(acting(out)[name], weight, rtol=1e-6, atol=1e-6, msg=name)


def test_a_resumed_run_does_not_begin_again(first: Path, tmp_path: Path) -> None:
    out = tmp_path / "third"
    whole = [*RUN, "4", "--checkpoint", str(first), "--out"]
    assert main([*whole, str(tmp_path / "whole")]) == 0
    assert main([*whole, str(out), "--resume"]) == 0
    for name, weight in acting(tmp_path / "whole").items():
        assert torch.equal(acting(out)[name], weight), name


def test_another_core_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_agent().save(tmp_path / "other.zip")
    assert main([*RUN, "1", "--checkpoint", str(tmp_path / "other.zip"), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "other.zip: expected the weights of this run's core, found others (" in error
    assert not (tmp_path / "run" / "model.zip").exists()
