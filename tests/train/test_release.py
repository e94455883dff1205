"""A release is small, is read as any agent, and thinks as the agent it was made of."""

from __future__ import annotations

import json
import platform
import re
import shlex
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from agents import CORE, every_puzzle_once, wavering_agent
from hostile import payloads
from safetensors.torch import load as load_safetensors

from hrm_agent import HRM, CheckpointError
from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.cores import PuzzleShape, make_core
from train.__main__ import main
from train.card import command_of
from train.fit import parse
from train.presets import PRESETS
from train.release import TAKEN


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def agent(request: pytest.FixtureRequest) -> HRM:
    return wavering_agent(ema=0.9, policy_kwargs=CORE | {"dtype": request.param})


@pytest.fixture
def release(tmp_path: Path, agent: HRM) -> Path:
    agent.save(tmp_path / "run" / "best")
    summary = agent.evaluate(every_puzzle_once()).summary()
    result = {"training_seconds": 90.0, "chosen": summary, "all_segments": summary}
    (tmp_path / "run" / "result.json").write_text(json.dumps(result))
    (tmp_path / "hard.json").write_text(json.dumps({"halting": "fixed:4", **summary, "exact": 0.123456}))
    out = tmp_path / "checkpoints" / "thinker"
    arguments = ["--checkpoint", f"{tmp_path}/run/best.zip", "--out", str(out), "--evaluation", f"{tmp_path}/hard.json"]
    assert main(["release", *arguments]) == 0
    return out


def test_it_holds_the_acting_weights_in_two_bytes_each_and_nothing_else(release: Path, agent: HRM) -> None:
    with zipfile.ZipFile(release / "model.zip") as file:
        groups = {name: load_safetensors(file.read(name)) for name in file.namelist() if name != "config.json"}
    assert groups["optimizer.safetensors"] == {}
    expected = {f"core.{name}": tensor.bfloat16() for name, tensor in agent.policy.acting_core.state_dict().items()}
    found = groups["policy.safetensors"]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert any(not torch.equal(found[f"core.{n}"], t.bfloat16()) for n, t in agent.policy.core.state_dict().items())


def test_it_thinks_as_the_agent_does_but_for_rounding(release: Path, agent: HRM) -> None:
    loaded = HRM.load(release, device="cpu")
    first, second = (model.evaluate(every_puzzle_once(), "fixed:4") for model in (agent, loaded))
    np.testing.assert_allclose(second.q_halt, first.q_halt, rtol=0.05, atol=0.05)
    assert abs(first.cells.mean() - second.cells.mean()) <= 0.02
    assert loaded.halting.name == agent.halting.name
    assert loaded._n_updates == agent._n_updates
    assert loaded.policy.average is None


def test_it_thinks_in_the_precision_of_the_machine(release: Path) -> None:
    assert read_checkpoint(release / "model.zip")[0]["policy_kwargs"]["dtype"] == "auto"


def test_releasing_a_release_changes_nothing(release: Path) -> None:
    assert main(["release", "--checkpoint", str(release), "--out", f"{release}-again"]) == 0
    assert (release / "model.zip").read_bytes() == (Path(f"{release}-again") / "model.zip").read_bytes()


def test_it_is_read_by_the_commands_and_trains_on(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--checkpoint", str(release), "--num-puzzles=20", "--device=cpu", "--threads=1"]
    assert main(["evaluate", *arguments]) == 0
    assert "exact" in capsys.readouterr().out
    model = HRM.load(release, device="cpu", n_envs=8)
    model.set_parameters(release)
    assert {tensor.dtype for tensor in model.policy.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"chosen": {"puzzles": -1}}', '{"chosen": {"puzzles": 1, "exact": "x"}}']
)
def test_a_result_without_figures_is_one_sentence(
    tmp_path: Path, agent: HRM, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.save(tmp_path / "agent.zip")
    (tmp_path / "result.json").write_text(text)
    assert main(["release", "--checkpoint", str(tmp_path / "agent.zip"), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert re.fullmatch(rf"error: {tmp_path}/result.json: [^\n]*expected [^\n]*\n", printed), printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("taken", TAKEN)
def test_nothing_is_overwritten(tmp_path: Path, agent: HRM, taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    agent.save(tmp_path / "agent.zip")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / taken).write_text("of a run")
    assert main(["release", "--checkpoint", str(tmp_path / "agent.zip"), "--out", str(tmp_path / "run")]) == 2
    expected = f"error: --out: expected a folder without a run or a release, found {tmp_path}/run/{taken}\n"
    assert capsys.readouterr().err == expected
    assert [(file.name, file.read_text()) for file in (tmp_path / "run").iterdir()] == [(taken, "of a run")]


def test_the_card_says_what_it_is_and_how_good(release: Path) -> None:
    text = (release / "README.md").read_text()
    assert "\n---\n\n# thinker\n" in text
    assert f"    hrm evaluate --checkpoint {release}\n" in text
    assert "| hours | 0.03, sweeps included |" in text
    assert "| commit | not recorded |" in text
    assert "| hard | 60 | 12.35% | 6.23% to 22.99% |" in text
    assert "| chosen, at the end of training | 60 |" in text
    assert "| learning/learning_rate | 0.005 |" in text


def test_the_card_is_one_of_the_hub(release: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard.load(release / "README.md").data
    assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "hrm-gym", "reinforcement-learning")
    found = {(result.dataset_name, result.metric_type): result.metric_value for result in data.eval_results}
    assert found["hard", "accuracy"] == 0.123456
    assert len(found) == 6


@pytest.mark.parametrize(
    "typed",
    [
        "--preset sudoku4x4 --num-puzzles 70 --no-augment --option clues=9 --option min_rating=0 --betas 0.8 0.9",
        "--preset maze10x10 --core lattice --layers 1 --loops 8 --blank 2 --no-search",
        "--preset sudoku6x6 --depth 0 1 1 0.5 2 2",
        "--preset sudoku9-units --depth --exploration 0.2 --updates 7 --seed 3",
    ],
)
def test_the_command_of_a_card_makes_the_same_run(typed: str) -> None:
    options = parse(typed.split(), "fit")
    program, command, *words = shlex.split(command_of(json.loads(json.dumps(asdict(options)))))
    assert (program, command) == ("hrm", "fit")
    assert parse(words, "fit") == options
    assert command_of(json.loads(json.dumps(asdict(PRESETS["maze-trm"])))) == "hrm fit --preset maze-trm"


def test_a_card_shows_no_folder_of_the_machine(tmp_path: Path) -> None:
    options = parse(["--preset=sudoku9", f"--source={tmp_path}/hard.csv.gz", "--checkpoint=experiments/a.zip"], "fit")
    command = command_of(json.loads(json.dumps(asdict(options))))
    assert command == "hrm fit --preset sudoku9 --source hard.csv.gz --checkpoint experiments/a.zip"


def test_the_card_of_a_run_says_how_it_was_made(tmp_path: Path) -> None:
    out, card = tmp_path / "run", tmp_path / "agent" / "README.md"
    tiny = ["--num-puzzles=20", "--test-puzzles=20", "--updates=2", "--evaluate-every=0", "--hidden-size=16"]
    assert main(["fit", "--preset=sudoku4x4", *tiny, "--max-segments=2", "--batch-size=8", f"--out={out}"]) == 0
    assert main(["release", "--checkpoint", str(out), "--out", str(card.parent)]) == 0
    text = card.read_text()
    assert re.search(r"\| command \| `hrm fit --preset sudoku4x4 .*--updates 2 .*`", text)
    assert re.search(r"\| commit \| ([0-9a-f]{7,}(-dirty)?|unknown) \|", text)
    assert f"python {platform.python_version()}" in text
    assert "| data | source generated, num puzzles 20, augment True |" in text


def test_damage_is_found_and_weights_of_half_precision_are_checked_like_others(release: Path, tmp_path: Path) -> None:
    whole = (release / "model.zip").read_bytes()
    for position in range(0, len(whole), 997):
        changed = bytearray(whole)
        changed[position] ^= 1
        (tmp_path / "changed.zip").write_bytes(changed)
        with pytest.raises(CheckpointError):
            HRM.load(tmp_path / "changed", device="cpu")


@pytest.mark.parametrize("name", ["pickle, protocol 5", "bomb", "torch.save", "tensor of 10^18 numbers"])
def test_hostile_files_are_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.zip").write_bytes(payloads(tmp_path / "trap")[name])
    assert main(["release", "--checkpoint", f"{tmp_path}/a.zip", "--out", f"{tmp_path}/out"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/a.zip: expected")
    assert not (tmp_path / "trap").exists()
    assert not (tmp_path / "out").exists()


def test_the_headline_agent_fits_into_12_megabytes() -> None:
    with torch.device("meta"):
        core = make_core(PuzzleShape(81, 11, 1), "trm", **vars(PRESETS["sudoku-extreme-1k-fast"].core))
    assert 2 * sum(tensor.numel() for tensor in core.state_dict().values()) + 100_000 <= 12e6
