"""The halting dashboard: the layout of the curves, histograms, figures, thinking, texts and options of a run."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agents import BUDGET, every_puzzle_once, native_env, tiny_agent, wavering_agent
from event_logs import TEXT, read_log
from PIL import Image
from stable_baselines3.common.callbacks import BaseCallback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from hrm_agent import HRM, EvaluateCallback, HaltingDashboard
from hrm_agent.inference.frames import frames
from hrm_agent.sb3.dashboard_figures import thinking_picture
from hrm_env.drawing import draw_puzzle, side_by_side

STEPS = 16 * 25


def run(folder: Path, with_sweeps: bool = True, **options: Any) -> EventAccumulator:
    """The log of 25 updates with a sweep at the 20th."""
    model = tiny_agent(native_env(16), tensorboard_log=str(folder), exploration=0.5, **options)
    sweeps = EvaluateCallback(every_puzzle_once(), every_updates=20)
    callbacks: list[BaseCallback] = [sweeps, HaltingDashboard(sweeps)] if with_sweeps else [HaltingDashboard()]
    model.learn(STEPS, callback=callbacks, log_interval=10, tb_log_name="run")
    return read_log(folder / "run_1")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventAccumulator:
    return run(tmp_path_factory.mktemp("logs"))


def picture(log: EventAccumulator, tag: str) -> np.ndarray:
    (event,) = log.Images(tag)
    assert event.step == 320
    with Image.open(io.BytesIO(event.encoded_image_string)) as image:
        return np.array(image)


def layout(log: EventAccumulator) -> Layout:
    (event,) = log.Tensors("custom_scalars__config__")
    return Layout.FromString(event.tensor_proto.string_val[0])


def text(log: EventAccumulator, tag: str) -> str:
    (event,) = log.Tensors(tag + TEXT)
    written: bytes = event.tensor_proto.string_val[0]
    return written.decode()


@pytest.mark.parametrize("with_sweeps", [True, False])
@pytest.mark.parametrize("learning", [{}, {"q_bootstrap": "none"}, {"halt_loss": "pondernet"}])
def test_every_curve_of_the_layout_is_written(tmp_path: Path, with_sweeps: bool, learning: dict[str, Any]) -> None:
    log = run(tmp_path, with_sweeps, halting="q-threshold:0.5", **learning)
    found = layout(log)
    titles = [category.title for category in found.category]
    assert titles == ["halting on test puzzles", "halting in training"][not with_sweeps :]
    charts = [chart for category in found.category for chart in category.chart]
    assert len({chart.title for chart in charts}) == len(charts) == (7 if with_sweeps else 5)
    for chart in charts:
        assert chart.multiline.tag
        for tag in chart.multiline.tag:
            assert any(re.match(tag, scalar) for scalar in log.Tags()["scalars"]), tag


def test_histograms_count_every_episode_once(log: EventAccumulator) -> None:
    def counts(tag: str) -> dict[int, float]:
        events = log.Histograms(tag)
        assert all(event.histogram_value.num == sum(event.histogram_value.bucket) for event in events)
        return {event.step: event.histogram_value.num for event in events}

    episodes = counts("halting/segments")
    assert set(episodes) == {160, 320, 400}
    for name in ("segments", "q_halt"):
        right, wrong = counts(f"halting/{name}_when_right"), counts(f"halting/{name}_when_wrong")
        assert {step: right.get(step, 0) + wrong.get(step, 0) for step in episodes} == episodes
    for event in log.Scalars("rollout/exact"):
        solved = counts("halting/segments_when_right").get(event.step, 0)
        assert solved == pytest.approx(event.value * episodes[event.step])


def test_segments_stand_in_bins_of_their_own(log: EventAccumulator) -> None:
    for event in log.Histograms("halting/segments"):
        found = event.histogram_value
        edges = [found.min, *found.bucket_limit]
        assert found.bucket[0] > 0
        assert found.bucket[-1] > 0
        assert (edges[0] % 1, edges[-1]) == (0.5, found.max)
        assert np.array_equal(np.diff(edges), np.ones(len(found.bucket)))
        assert 0.5 <= edges[0] < edges[-1] <= BUDGET + 0.5


def test_a_sweep_is_drawn(log: EventAccumulator) -> None:
    for tag in ("eval/reliability", "eval/accuracy_by_segment"):
        drawn = picture(log, tag)
        assert drawn.shape[2] == 3
        assert drawn.std() > 10  # not an empty page


def test_the_first_puzzles_are_drawn_with_their_answers(tmp_path: Path) -> None:
    env = every_puzzle_once()
    sweeps = EvaluateCallback(env, every_updates=20)
    model = tiny_agent(tensorboard_log=str(tmp_path))
    model.learn(16 * 20, callback=[sweeps, HaltingDashboard(sweeps, pictures=2, strips=0)])
    answer = model.evaluate(env).answer
    inputs, solution = env.rules.puzzles.inputs, env.rules.puzzles.solution
    expected = side_by_side([draw_puzzle(env.rules.task, inputs[row], answer[row], solution[row]) for row in (0, 1)])
    log = read_log(tmp_path / "HRM_1")
    assert np.array_equal(picture(log, "eval/puzzles"), expected)
    assert "eval/thinking" not in log.Tags()["images"]


@pytest.fixture(scope="module")
def model() -> HRM:
    return wavering_agent()


def test_the_thinking_of_puzzles_is_a_strip_each_of_one_size(model: HRM, log: EventAccumulator) -> None:
    env = every_puzzle_once()
    task = env.rules.task
    seen = [list(frames(model.policy.acting_core, model.halting, env, index)) for index in range(20)]
    assert len({len(strip) for strip in seen}) > 1
    one = thinking_picture(task, seen[:1], BUDGET)
    assert {thinking_picture(task, [strip], BUDGET).shape for strip in seen} == {one.shape}
    two = thinking_picture(task, seen[:2], BUDGET)
    assert sorted(np.array(two.shape) - one.shape) == [0, 0, min(one.shape[:2])]
    assert picture(log, "eval/thinking").shape == two.shape


@pytest.mark.parametrize(("segments", "shown"), [(1, [1]), (2, [1, 4]), (3, [1, 2, 4]), (4, [1, 2, 3, 4])])
def test_a_strip_shows_the_first_and_the_last_segment(model: HRM, segments: int, shown: list[int]) -> None:
    env = every_puzzle_once()
    model.halting = f"fixed:{BUDGET}"
    question, *seen = frames(model.policy.acting_core, model.halting, env, 0)
    task = env.rules.task
    wanted = thinking_picture(task, [[question, *(seen[segment - 1] for segment in shown)]], segments)
    assert np.array_equal(thinking_picture(task, [[question, *seen]], segments), wanted)


def test_a_strip_ends_in_white_after_the_halt(model: HRM) -> None:
    env = every_puzzle_once()
    model.halting = "fixed:2"
    strip = thinking_picture(env.rules.task, [list(frames(model.policy.acting_core, model.halting, env, 0))], BUDGET)
    axis = int(strip.shape[1] > strip.shape[0])
    tiles = np.split(strip, BUDGET + 1, axis=axis)
    assert [bool((tile == 255).all()) for tile in tiles] == [False, False, False, True, True]


def test_texts_say_what_was_trained(log: EventAccumulator) -> None:
    halting, puzzles = text(log, "run/halting"), text(log, "run/puzzles")
    assert "| policy | `q-compare` |" in halting
    assert "| halts where | Q_halt > Q_continue, m ≥ 1 |" in halting
    assert "| exploration ε | 0.5, drawn once per episode |" in halting
    assert "| target of Q_continue | next-step |" in halting
    assert f"| task | {every_puzzle_once().rules.task.spec.name} |" in puzzles
    assert "| test puzzles | 60 |" in puzzles


def test_runs_can_be_compared_by_their_options(tmp_path: Path) -> None:
    log = run(tmp_path, halting="fixed:3")
    assert [folder.name for folder in tmp_path.iterdir()] == ["run_1"]
    content = {tag: HParamsPluginData.FromString(data) for tag, data in log.PluginTagToContent("hparams").items()}
    metrics = [info.name.tag for info in content["_hparams_/experiment"].experiment.metric_infos]
    assert metrics == ["eval/exact", "eval/segments_mean"]
    assert set(metrics) <= set(log.Tags()["scalars"])
    options = content["_hparams_/session_start_info"].session_start_info.hparams
    assert sorted(options)[:4] == [
        f"halting/{name}" for name in ("exploration", "exploration_per", "max_segments", "policy")
    ]
    assert options["halting/policy"].string_value == "fixed:3"
    assert options["halting/exploration"].number_value == 0.5
    assert options["learning/q_bootstrap"].string_value == "next-step"
    assert options["network/hidden_size"].number_value == 16


def test_nothing_is_drawn_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("draw_puzzle", "pixels", "halting_card"):
        monkeypatch.setattr(f"hrm_agent.sb3.dashboard.{name}", lambda *_: pytest.fail("drawn"))
    sweeps = EvaluateCallback(every_puzzle_once(), every_updates=3)
    tiny_agent().learn(16 * 3, callback=[sweeps, HaltingDashboard(sweeps)])
    assert len(sweeps.history) == 1
