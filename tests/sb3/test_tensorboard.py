"""What a run writes for TensorBoard, and that the documentation explains every tag."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from agents import BUDGET, every_puzzle_once, native_env, tiny_agent
from event_logs import read_log, tags
from paths import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrm_agent import DynamicsCallback, EvaluateCallback, HaltingDashboard
from hrm_agent.config import Bootstrap

DOCUMENT = ROOT / "docs" / "tensorboard.md"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventAccumulator:
    """The log of 25 updates with a sweep at the 20th."""
    folder = tmp_path_factory.mktemp("logs")
    model = tiny_agent(native_env(16), tensorboard_log=str(folder), exploration=0.5)
    sweeps = EvaluateCallback(every_puzzle_once(), every_updates=20)
    callbacks = [sweeps, HaltingDashboard(sweeps), DynamicsCallback(sweeps)]
    model.learn(16 * 25, callback=callbacks, log_interval=10, tb_log_name="run")
    return read_log(folder / "run_1")


def values(log: EventAccumulator, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in log.Scalars(tag)}


def test_every_tag_is_written_and_explained(log: EventAccumulator) -> None:
    text = DOCUMENT.read_text()
    explained = set(re.findall(r"^\| `([a-z_]+/[a-z_0-9]+)` \|", text, flags=re.MULTILINE))
    assert tags(log) == explained


def test_points_lie_at_the_segments_seen(log: EventAccumulator) -> None:
    assert values(log, "train/updates") == {160: 10, 320: 20, 400: 25}
    assert set(values(log, "eval/exact")) == {320}
    assert set(values(log, "dynamics/residual_z_l")) == {320}
    rates = values(log, "train/learning_rate")
    assert rates[160] == pytest.approx(5e-3 / 2)
    assert rates[400] == pytest.approx(5e-3)


def test_figures_agree_with_one_another(log: EventAccumulator) -> None:
    for step, mean in values(log, "halting/segments_mean").items():
        histogram = next(event for event in log.Histograms("halting/segments") if event.step == step)
        count, total = histogram.histogram_value.num, histogram.histogram_value.sum
        assert mean == pytest.approx(total / count)
        assert 1 <= mean <= BUDGET
        assert values(log, "halting/by_choice")[step] == pytest.approx(1 - values(log, "halting/at_budget")[step])
        assert values(log, "rollout/return")[step] == pytest.approx(values(log, "rollout/exact")[step])
        parts = {part: values(log, f"train/{part}")[step] for part in ("loss", "answer_loss", "halt_loss")}
        q_losses = parts["halt_loss"] + values(log, "train/continue_loss")[step]
        assert parts["loss"] == pytest.approx(parts["answer_loss"] + 0.5 * q_losses, rel=1e-5)


@pytest.mark.parametrize(("bootstrap", "there"), [("none", False), ("second-pass", True)])
def test_the_continue_loss_is_there_where_it_is_learned(tmp_path: Path, bootstrap: Bootstrap, there: bool) -> None:
    tiny_agent(tensorboard_log=str(tmp_path), q_bootstrap=bootstrap).learn(16 * 5)
    assert ("train/continue_loss" in tags(read_log(tmp_path / "HRM_1"))) == there


def test_every_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    model = tiny_agent(tensorboard_log=str(tmp_path))
    for again in (True, True, False):  # the third goes on with the second
        model.learn(16, tb_log_name="run", reset_num_timesteps=again)
    assert {folder.name for folder in tmp_path.iterdir()} == {"run_1", "run_2"}
