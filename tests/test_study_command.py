"""``python -m train study``: records once, compares, prints, writes, and refuses bad input in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from agents import COPY, tiny_agent
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

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
    assert studied(run, tmp_path, *plain, "--budget", "2") == 0
    assert file.stat().st_mtime_ns == recorded
    assert json.loads((tmp_path / "study.json").read_text())["budget"] == 2


def test_many_minds_take_part_where_views_are_recorded(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ("--views", "2", "--noise", "0.5", "--no-figures", "--no-tensorboard")
    assert studied(run, tmp_path, *plain) == 0
    assert "computed" in capsys.readouterr().out
    rows = json.loads((tmp_path / "study.json").read_text())["rows"]
    minds = [row for row in rows if row["family"] == "many minds"]
    assert {row["policy"].partition("(")[0] for row in minds} == {"halt-first:2:0.5", "best-q:2:0.5"}
    assert all(row["segments"] <= row["work"] <= 2 * row["segments"] for row in minds)
    assert all(row["segments"] == row["work"] for row in rows if row not in minds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--policies", ""), "--policies: expected halting policies between commas, found ''"),
        (("--policies", "fixed:2,never"), "halting: expected one of .* found 'never'"),
        (("--reference", "kl:x"), "halting 'kl:x': .*"),
        (("--policies", "halt-first:2"), "study: 'halt-first:2' cannot be replayed: needs 2 views"),
        (("--calibration", "1"), "--calibration: expected a number between 0 and 1, found 1.0"),
        (("--risk", "2"), "--risk: expected a finite number from 0 to 1, found 2.0"),
        (("--checkpoint", "nowhere"), "nowhere.zip: expected a checkpoint, found no such file"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Path, tmp_path: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studied(run, tmp_path, *options) == 2
    printed = capsys.readouterr().err.strip()
    assert re.fullmatch(f"error: {message}.*", printed.splitlines()[-1]), printed


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
