"""rl_zoo3 trains and enjoys HRM with its own commands and the options in examples/rl_zoo3."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("rl_zoo3")

from examples.rl_zoo3 import zoo
from hrm_agent import HRM

ENV = "HRM-Sudoku4x4-v0"


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo.py", *arguments])
    zoo.main()


def test_train_go_on_and_enjoy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--algo", "hrm", "--env", ENV, "-f", str(tmp_path), "--device", "cpu", "--seed", "0"]
    evaluation = ["--eval-freq", "640", "--eval-episodes", "4", "--eval-env-kwargs", "split:'test'", "max_segments:8"]
    command(monkeypatch, "train", *common, *evaluation, "-n", "1280", "--save-freq", "640")
    folder = tmp_path / "hrm" / f"{ENV}_1"
    saved = folder / f"{ENV}.zip"
    assert {"best_model.zip", "rl_model_640_steps.zip", "evaluations.npz"} <= {file.name for file in folder.iterdir()}
    model = HRM.load(saved, device="cpu")
    assert (model.num_timesteps, model.max_segments, model.config.learner.learning_rate) == (1280, 8, 0.003)
    assert model.policy_kwargs["hidden_size"] == 64

    more = ["-i", str(saved), "-n", "640", "--eval-freq", "-1", "-params", "learning_rate:'lin_0.001'"]
    command(monkeypatch, "train", *common, *more)
    assert HRM.load(tmp_path / "hrm" / f"{ENV}_2" / f"{ENV}.zip", device="cpu").config.learner.learning_rate == 0.001

    capsys.readouterr()
    for choice in (["--exp-id", "1"], ["--exp-id", "1", "--load-best"], ["--exp-id", "1", "--load-checkpoint", "640"]):
        command(monkeypatch, "enjoy", *common, "--no-render", "-n", "40", *choice)
        assert "Mean reward: " in capsys.readouterr().out


def test_enjoy_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = ["--algo", "hrm", "--env", ENV, "-f", str(tmp_path), "--device", "cpu", "--seed", "0"]
    command(monkeypatch, "train", *common, "-n", "64", "--eval-freq", "-1")
    pytest.importorskip("pygame")
    command(monkeypatch, "enjoy", *common, "-n", "2")  # in a window


def test_a_command_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="expected one of train, enjoy, found 'fly'"):
        command(monkeypatch, "fly")
