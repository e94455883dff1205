"""``python -m train study``: records once, compares, prints, writes, and refuses bad input in one sentence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import gymnasium as gym
import pytest
from agents import COPY, tiny_agent
from halting_traces import random_traces
from stable_baselines3 import PPO
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrm_agent.halting.signals import SIGNALS
from hrm_agent.traces.halting_env import HaltingEnv
from hrm_agent.traces.record import Traces
from train.__main__ import main
from train.study import learned_policies


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny agent's run."""
    folder = tmp_path_factory.mktemp("run")
    tiny_agent(COPY).learn(16 * 20).save(folder / "model.zip")
    return folder


def studied(run: Path, out: Path, *options: str) -> int:
    common = ["--checkpoint", str(run), "--env", COPY, "--num-puzzles", "40", "--threads", "1", "--device", "cpu"]
    return main(["study", *common, "--budget", "4", "--resamples", "30", "--out", str(out), *options])


def test_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = ("--checkpoint", str(run))
    policies = ("--policies", "q-compare,kl:0.01,oracle,fixed:2,fixed:3")
    assert studied(run, tmp_path, *two, *policies, "--calibration", "0.25", "--risk", "0.2") == 0
    printed = capsys.readouterr().out
    assert "30 puzzles (10 more for calibration), 2 checkpoints, at most 4 segments" in printed
    assert "left out" not in printed
    whole = json.loads((tmp_path / "study.json").read_text())
    assert [whole[name] for name in ("puzzles", "calibration_puzzles", "checkpoints", "budget")] == [30, 10, 2, 4]
    assert {row["policy"] for row in whole["rows"]} >= {"q-compare", "kl:0.01", "oracle", "fixed:2", "fixed:3"}
    pictures = {path.stem for path in tmp_path.glob("*.png")}
    assert pictures == {path.stem for path in tmp_path.glob("*.svg")}
    assert pictures >= {"frontier", "frontier-zoom", "halting-segments", "reliability", "accuracy-by-segment", "regret"}
    (written,) = re.findall(r'id="content">(.*?)</script>', (tmp_path / "study.html").read_text("utf-8"))
    content = json.loads(written)
    assert [policy["policy"] for policy in content["policies"]] == [row["policy"] for row in whole["rows"]]
    assert [content["grid"][name] for name in ("height", "width", "symbols")] == [1, 4, "_ABCD"]
    log = EventAccumulator(str(tmp_path / "study.tensorboard"))
    log.Reload()
    assert set(log.Tags()["images"]) == {f"study/{name}" for name in pictures}
    runs = [path.name for path in (tmp_path / "study.tensorboard").iterdir() if path.is_dir()]
    assert len(runs) == len(whole["rows"])
    fixed = EventAccumulator(str(tmp_path / "study.tensorboard" / "fixed_2"))
    fixed.Reload()
    assert fixed.Scalars("study/segments")[0].value == 2


def test_the_command_records_once_and_repeats_itself(run: Path, tmp_path: Path) -> None:
    plain = ("--policies", "fixed:2, any(patience:1,q-threshold:0.9)", "--no-figures", "--no-tensorboard")
    assert studied(run, tmp_path, *plain) == 0
    (file,) = (tmp_path / "traces").iterdir()
    recorded, first = file.stat().st_mtime_ns, (tmp_path / "study.csv").read_bytes()
    assert studied(run, tmp_path, *plain) == 0
    assert (file.stat().st_mtime_ns, (tmp_path / "study.csv").read_bytes()) == (recorded, first)
    # a smaller budget is replayed from the same recording
    (tmp_path / "study.html").unlink()
    assert studied(run, tmp_path, *plain, "--budget", "2", "--no-page") == 0
    assert not (tmp_path / "study.html").exists()
    assert file.stat().st_mtime_ns == recorded
    assert json.loads((tmp_path / "study.json").read_text())["budget"] == 2


def test_policies_of_several_views_take_part_where_views_are_recorded(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ("--views", "2", "--noise", "0.5", "--no-figures", "--no-tensorboard")
    assert studied(run, tmp_path, *plain) == 0
    assert "computed" in capsys.readouterr().out
    rows = json.loads((tmp_path / "study.json").read_text())["rows"]
    several, rules = (
        [row for row in rows if row["family"] == "several views"],
        ("halt-first", "best-q", "best-residual"),
    )
    assert {row["policy"].partition("(")[0] for row in several} == {f"{rule}:2:0.5" for rule in rules}
    assert all(row["segments"] <= row["work"] <= 2 * row["segments"] for row in several)
    assert all(row["segments"] == row["work"] for row in rows if row not in several)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--policies", ""), "--policies: expected halting policies between commas, found ''"),
        (("--policies", "fixed:2,never"), "halting: expected one of .* found 'never'"),
        (("--reference", "kl:x"), "halting 'kl:x': .*"),
        (
            ("--policies", "halt-first:2"),
            "study: 'halt-first:2' cannot be replayed: expected 2 recorded views",
        ),
        (("--calibration", "1"), "--calibration: expected a number between 0 and 1, found 1.0"),
        (("--risk", "2"), "--risk: expected a finite number from 0 to 1, found 2.0"),
        (("--checkpoint", "nowhere"), "nowhere.zip: expected a checkpoint, found no such file"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_recorded(
    run: Path, tmp_path: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studied(run, tmp_path, *options) == 2
    printed = capsys.readouterr().err.strip()
    assert re.fullmatch(f"error: {message}.*", printed.splitlines()[-1]), printed
    assert not list(tmp_path.iterdir())


def test_agents_of_different_puzzles_are_refused_before_anything_is_recorded(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = gym.make_vec("HRM-Sudoku4x4-v0", num_envs=4, num_puzzles=8)
    tiny_agent(env, n_envs=4).save(tmp_path / "other.zip")
    assert studied(run, tmp_path / "out", "--checkpoint", str(tmp_path / "other.zip")) == 2
    expected = r"error: --checkpoint: expected agents of the same puzzles, found copy:4x4 .* and sudoku:2x2 .*other.zip"
    printed = capsys.readouterr().err.strip()
    assert re.fullmatch(expected, printed.splitlines()[-1]), printed  # after the bar of a slow machine
    assert not (tmp_path / "out").exists()


def test_a_policy_that_the_recording_could_not_serve_is_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One learned on the hidden state, which a study does not record, lies beside the checkpoint."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    env = HaltingEnv(random_traces(), features=("q_halt", "state"))
    PPO("MlpPolicy", env, policy_kwargs={"net_arch": []}, device="cpu").save(folder / "halting-ppo.zip")
    assert studied(folder, tmp_path / "out", "--no-figures", "--no-tensorboard") == 0
    printed = capsys.readouterr().out
    assert re.search(r"left out: sb3:halting-ppo\.zip: expected recorded signals .*, found no state\n", printed)


TINY = "--hidden-size 16 --batch-size 8 --updates 3 --evaluate-every 0 --num-puzzles 20 --test-puzzles 30 --threads 1"
OWN = """
from hrm_agent.halting import register_signal
from hrm_agent.halting.threshold_rules import Below


@register_signal
def doubtful(seen):
    return seen.mean_over_cells((seen.log_probs.exp().amax(-1) < 0.9).float())


class Doubt(Below):
    signal, default, rule = "doubtful", 0.05, "doubtful cells < {threshold}"
"""


def test_policies_and_signals_of_ones_own_reach_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_halting.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SIGNALS, "doubtful", None)  # to be gone when the test is over
    policy, out = "own_halting:Doubt:0.3", tmp_path / "run"
    fit = ["fit", "--preset", "sudoku4x4", *TINY.split(), "--halting", policy, "--out", str(out), "--device", "cpu"]
    assert main(fit) == 0
    puzzles = ["--num-puzzles", "20", "--threads", "1", "--device", "cpu"]
    assert main(["evaluate", "--checkpoint", str(out), *puzzles, "--halting", f"min:2({policy})"]) == 0
    assert re.search(rf"halting +min:2\({policy}\)", capsys.readouterr().out)
    plain = [
        "--policies",
        f"{policy},fixed:2",
        "--budget",
        "4",
        "--resamples",
        "20",
        "--no-figures",
        "--no-tensorboard",
    ]
    assert main(["study", "--checkpoint", str(out), *puzzles, *plain, "--out", str(tmp_path / "study")]) == 0
    table = json.loads((tmp_path / "study" / "study.json").read_text())
    assert {row["policy"] for row in table["rows"]} >= {policy, "fixed:2"}
    (file,) = (tmp_path / "study" / "traces").iterdir()
    assert "doubtful" in Traces.read(file).signals


def test_the_command_needs_a_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == 2
    assert capsys.readouterr().err == "error: --checkpoint: expected the folder of a run, found none\n"


def test_learned_policies_lie_beside_all_checkpoints(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        (folder / "halting-ppo.zip").touch()
    (folders[0] / "halting-dqn.zip").touch()
    (found,) = learned_policies(folders)
    assert found.name == "sb3:halting-ppo.zip"
    assert found.policies == tuple(f"sb3:{folder}/halting-ppo.zip" for folder in folders)
