"""Watching: the frames of an agent at work, and the places they are shown at; the terminal is in test_commands."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from agents import BUDGET, every_puzzle_once, tiny_agent, wavering_agent
from PIL import Image
from torch import Tensor

from hrm_agent import HRM
from hrm_agent.inference.frames import Frame, captioned, frames
from hrm_agent.sb3.dashboard_figures import thinking_picture
from hrm_env.drawing import draw_puzzle
from hrm_env.drawing.window import Window
from hrm_env.envs.rewards import REWARDS
from hrm_env.sources import load_puzzles
from hrm_env.sources.folder import write_folder
from hrm_env.tasks import make_task
from hrm_env.tasks.copy import Copy
from train.__main__ import main

TWO_PUZZLES = ["--env", "HRM-Copy-v0", "--puzzles", "2", "--pause", "0.1", "--halting", "fixed:3"]


@pytest.fixture(scope="module")
def model() -> HRM:
    return wavering_agent()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "model.zip"
    tiny_agent().save(path)
    return path


def watch(run: Path, *options: str) -> int:
    return main(["watch", "--checkpoint", str(run), *TWO_PUZZLES, *options])


def expected_pictures(run: Path) -> list[np.ndarray]:
    """The captioned pictures of the first two puzzles."""
    model = HRM.load(run, device="cpu", halting="fixed:3")
    env = every_puzzle_once()
    return [
        captioned(env.rules.task, frame)
        for index in (0, 1)
        for frame in frames(model.policy.acting_core, model.halting, env, index)
    ]


def test_a_belief_that_was_not_learned_is_not_shown(
    model: HRM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, *seen = frames(model.policy.acting_core, model.halting, every_puzzle_once(), 0, learned_continue=False)
    assert all(re.fullmatch(r"Q halt \d\.\d\d", frame.belief) for frame in seen)
    for bootstrap, learned in (("none", False), ("next-step", True)):
        tiny_agent(q_bootstrap=bootstrap, halting="fixed:3").save(tmp_path / "agent")
        assert watch(tmp_path / "agent.zip") == 0
        assert (", continue 0." in capsys.readouterr().out) == learned


def test_frames_are_what_evaluation_finds(model: HRM) -> None:
    env = every_puzzle_once()
    evaluation = model.evaluate(env)
    assert len(set(evaluation.segments[:20])) > 1
    for index in range(20):
        first, *seen = frames(model.policy.acting_core, model.halting, env, index)
        assert (first.segment, first.answer, first.halted, first.verdict) == (0, None, False, "")
        assert [frame.segment for frame in seen] == list(range(1, evaluation.segments[index] + 1))
        assert [frame.halted for frame in seen] == [False] * (len(seen) - 1) + [True]
        assert all(later.previous is earlier.answer for earlier, later in zip([first, *seen], seen, strict=False))
        last = seen[-1]
        assert last.answer is not None
        assert last.answer.tolist() == evaluation.answer[index].tolist()
        assert last.verdict == ("solved" if evaluation.exact[index] else "not solved")
        assert last.q_halt == pytest.approx(1 / (1 + np.exp(-evaluation.q_halt[index])), rel=1e-4)


class Lenient(Copy):
    """Takes any answer."""

    def check(self, inputs: Tensor, answer: Tensor) -> Tensor:
        return torch.ones(len(answer), dtype=torch.bool)


def test_an_answer_that_the_reward_takes_is_solved_and_drawn_as_right(model: HRM) -> None:
    env = every_puzzle_once()
    env.rules = replace(env.rules, task=Lenient(), reward=REWARDS["rules"])
    *_, last = frames(model.policy.acting_core, model.halting, env, int(np.flatnonzero(~model.evaluate(env).exact)[0]))
    assert last.answer is not None
    assert (last.verdict, last.solution.tolist()) == ("solved", last.answer.tolist())
    env.rules = replace(env.rules, reward=REWARDS["exact"])
    *_, last = frames(model.policy.acting_core, model.halting, env, last.index)
    assert last.verdict == "not solved"


def test_a_frame_is_the_picture_with_a_caption_of_one_size(model: HRM) -> None:
    env = every_puzzle_once()
    task = env.rules.task
    pictures = [
        (frame, captioned(task, frame))
        for index in range(3)
        for frame in frames(model.policy.acting_core, model.halting, env, index)
    ]
    assert len({picture.shape for _, picture in pictures}) == 1
    for frame, picture in pictures:
        drawn = draw_puzzle(task, frame.inputs, frame.answer, frame.solution)
        assert np.array_equal(picture[: len(drawn)], drawn)


def test_a_picture_holds_a_strip_for_each_puzzle(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "strips.png"
    assert watch(run, "--to", str(path), "--strip", "2") == 0
    model, env = HRM.load(run, device="cpu", halting="fixed:3"), every_puzzle_once()
    expected = thinking_picture(
        env.rules.task, [list(frames(model.policy.acting_core, model.halting, env, index)) for index in range(2)], 2
    )
    assert np.array_equal(np.array(Image.open(path)), expected)


def test_a_gif_holds_every_segment(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new folder" / "film.gif"
    assert watch(run, "--to", str(path)) == 0
    assert capsys.readouterr().out == f"{path}: 8 frames\n"
    assert list(path.parent.iterdir()) == [path]
    expected = expected_pictures(run)
    with Image.open(path) as film:
        assert film.n_frames == len(expected) == 2 * (1 + 3)
        assert film.info["loop"] == 0
        for number, picture in enumerate(expected):
            film.seek(number)
            found = np.array(film.convert("RGB"), dtype=int)
            assert abs(found - picture).mean() < 1  # a GIF has 256 colours
            assert film.info["duration"] == (400 if number % 4 == 3 else 100)


def test_an_mp4_holds_every_segment(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    assert watch(run, "--to", str(path)) == 0
    assert list(tmp_path.iterdir()) == [path]
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    decoded = [np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3).astype(int) for data in reader]
    expected = expected_pictures(run)
    times = [number for number in range(8) for _ in range(8 if number % 4 == 3 else 2)]  # at 20 pictures a second
    assert len(decoded) == len(times)
    assert all(abs(found - expected[number]).mean() < 3 for found, number in zip(decoded, times, strict=True))


def test_the_window_shows_every_segment_until_it_is_closed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[np.ndarray, float]] = []

    def show(window: Window, picture: np.ndarray, seconds: float) -> None:
        shown.append((picture, seconds))
        window.closed = len(shown) == stop

    monkeypatch.setattr(Window, "show", show)
    stop = 100
    assert watch(run, "--to", "window") == 0
    assert all(np.array_equal(found, wanted) for (found, _), wanted in zip(shown, expected_pictures(run), strict=True))
    assert [seconds for _, seconds in shown] == pytest.approx([0.1, 0.1, 0.1, 0.4] * 2)
    shown.clear()
    stop = 3
    assert watch(run, "--to", "window") == 0
    assert len(shown) == 3


BAD: dict[str, tuple[list[str], Any, str]] = {
    "suffix": (
        ["--to", "film.avi"],
        None,
        "--to: expected terminal, window, or a file .gif, .mp4 or .png, found 'film.avi'",
    ),
    "no pygame": (["--to", "window"], "pygame", "pygame: not installed; type: pip install 'hrm-gym[window]'"),
    "no encoder": (
        ["--to", "film.mp4"],
        "imageio_ffmpeg",
        "imageio_ffmpeg: not installed; type: pip install 'hrm-gym[video]'",
    ),
    "views": (
        ["--halting", "halt-first:4"],
        None,
        "views: copy:4x4 has 0 symmetries beside itself; expected noise for 4 views, such as halt-first:4:0.5",
    ),
    "puzzles": (["--puzzles", "0"], None, "--puzzles: expected an integer of at least 1, found 0"),
    "strip": (["--strip", "0"], None, "--strip: expected an integer of at least 1, found 0"),
    "pause": (["--pause", "-1"], None, "--pause: expected a finite number of at least 0, found -1.0"),
}


@pytest.mark.parametrize(("options", "missing", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_shown_is_refused_in_one_sentence(
    options: list[str],
    missing: str | None,
    message: str,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    assert watch(run, *options) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_another_task_is_shown_before_a_second_variant(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = make_task("copy:4x4")
    puzzles = load_puzzles(task, num_puzzles=6)
    grouped = replace(puzzles, group=np.repeat(np.arange(2, dtype=np.int32), 3))
    write_folder(task, tmp_path / "built", {"test": grouped})
    assert watch(run, "--source", str(tmp_path / "built"), "--puzzles", "4", "--pause", "0") == 0
    assert re.findall(r"Puzzle (\d)", capsys.readouterr().out) == ["0", "3", "1", "4"]


def test_a_puzzle_of_one_s_own_has_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latin = "examples.latin_square:HRM-Latin-v0"
    tiny_agent(latin).save(tmp_path / "model.zip")
    options = ["watch", "--checkpoint", str(tmp_path), "--puzzles", "1", "--pause", "0", "--num-puzzles", "2"]
    assert main(options) == 2
    wanted = rf"error: --env: expected module:id of the puzzle of {tmp_path} \(latin.*, found none\n"
    assert re.fullmatch(wanted, capsys.readouterr().err)
    assert main([*options, "--env", latin]) == 0


SILENT = "abstain(fixed:9,random:0)"


@pytest.mark.parametrize(
    ("policy", "ending"), [("fixed:2", "halts"), ("fixed:4", "halts"), ("fixed:9", "budget"), (SILENT, "budget")]
)
def test_the_last_frame_tells_who_ended_it(policy: str, ending: str) -> None:
    model = wavering_agent(halting=policy)
    *before, last = frames(model.policy.acting_core, model.halting, every_puzzle_once(), 0)
    assert [frame.ending for frame in before] == [""] * len(before)
    assert last.ending == f"{ending}: {last.verdict}"
    assert (last.verdict == "abstains") == (policy == SILENT)


def test_a_frame_of_the_question_alone_has_no_verdict() -> None:
    env = every_puzzle_once()
    inputs, solution, _ = (tensor[0] for tensor in env.rules.tensors())
    assert Frame(0, inputs, solution, BUDGET).verdict == ""
