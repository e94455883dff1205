"""Options of a core that are changed when an agent is loaded: from Python and in every command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents import same, tiny_agent, weights

from hrm_agent import HRM, CheckpointError
from hrm_agent.traces.record import fingerprint
from hrm_env.checks import UnknownOptionError
from train.__main__ import main
from train.options import as_typed, named_values
from train.trained import Trained

SUDOKU = "HRM-Sudoku4x4-v0"
LATTICE = {"core": "lattice", "hidden_size": 16, "num_heads": 1, "layers": 1, "loops": 2, "mixer": "mlp"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lattice agent with random weights and an average; with search it guesses, without it stands still."""
    model = tiny_agent(SUDOKU, policy_kwargs={**LATTICE, "threshold": 0.0}, q_bootstrap="none", halting="fixed:4")
    with torch.no_grad():
        for core in (model.policy.core, model.policy.acting_core):
            core.get_parameter("answer_head.weight").normal_(generator=torch.Generator().manual_seed(1))
    model.save(path := tmp_path_factory.mktemp("agent") / "model.zip")
    return path


def load(path: Path, **options: Any) -> HRM:
    return HRM.load(path, device="cpu", policy_kwargs=options)


def test_what_is_named_changes_and_the_rest_stays(checkpoint: Path, tmp_path: Path) -> None:
    saved, changed = load(checkpoint), load(checkpoint, search=False, threshold=0.25)
    assert same(weights(saved), weights(changed))
    for core in (changed.policy.core, changed.policy.acting_core):
        assert core.config == replace(saved.policy.core.config, search=False, threshold=0.25)
    assert fingerprint(changed.policy.acting_core) != fingerprint(saved.policy.acting_core)
    changed.save(tmp_path / "again.zip")
    assert HRM.load(tmp_path / "again.zip", device="cpu").policy.core.config == changed.policy.core.config
    assert load(checkpoint).policy_kwargs == {**LATTICE, "threshold": 0.0}


def test_the_search_is_switched_off(checkpoint: Path) -> None:
    trained = Trained(checkpoint=str(checkpoint), num_puzzles=20)
    depths = {}
    for option in ("search=true", "search=false"):
        model, env = replace(trained, core_option=(option,)).load(num_envs=20)
        batch, carry = env.stored(slice(None)), model.policy.acting_core.initial_carry(20)
        for _ in range(3):
            carry = model.policy.acting_core(carry, batch.inputs, batch.puzzle_id).carry
        depths[option] = carry.depth.tolist()
    assert max(depths["search=true"]) > 0
    assert depths["search=false"] == [0] * 20


def test_weights_of_another_core_are_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected the weights of policy_kwargs \{'layers': 2\}, found others"):
        load(checkpoint, layers=2)
    with pytest.raises(CheckpointError, match=r"expected the weights of policy_kwargs .*, found \d+ tensors, too few"):
        load(checkpoint, layers=16384, loops=1)
    with pytest.raises(UnknownOptionError, match=r"core 'lattice' got an unexpected .* 'serch'; did you mean 'search'"):
        load(checkpoint, serch=False)
    with pytest.raises(ValueError, match="policy_kwargs: expected a dict of options by name, found 64"):
        HRM.load(checkpoint, device="cpu", policy_kwargs=64)


def test_evaluate_says_what_was_changed(checkpoint: Path, tmp_path: Path) -> None:
    common = ["evaluate", "--checkpoint", str(checkpoint), "--num-puzzles=20", "--threads=1", "--json"]
    figures = {}
    for name, options in {"saved": [], "changed": ["--core-option", "search=False", "--core-option=loops=1"]}.items():
        assert main([*common, str(tmp_path / name), *options]) == 0
        figures[name] = json.loads((tmp_path / name).read_text())
    assert "core_option" not in figures["saved"]
    assert figures["changed"]["core_option"] == "search=False loops=1"
    model = load(checkpoint, search=False, loops=1)
    expected = model.evaluate(Trained(checkpoint="", num_puzzles=20).environment(model, "", num_envs=7))
    assert figures["changed"]["cell_accuracy"] == pytest.approx(float(np.mean(expected.cells)))


def test_a_study_does_not_take_the_recording_of_another_search(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["study", "--checkpoint", str(checkpoint), "--num-puzzles=20", "--budget=2", "--policies=fixed:1,fixed:2"]
    options += ["--reference=fixed:1", "--calibration=0", "--no-figures", "--no-tensorboard", "--resamples=10"]
    assert main([*options, "--out", str(tmp_path)]) == 0
    assert main([*options, "--out", str(tmp_path), "--core-option", "search=false"]) == 2
    assert "error: " in capsys.readouterr().err
    assert main([*options, "--out", str(tmp_path / "other"), "--core-option", "search=false"]) == 0


@pytest.mark.parametrize("command", ["evaluate", "watch", "study", "learn-halting"])
def test_a_bad_option_is_one_sentence(command: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, message in {
        "search": "--core-option: expected name=value, found 'search'",
        "threshold=2": "--core-option threshold: expected a finite number from 0 to 1, found 2",
        "depth=2": "core 'lattice' got an unexpected keyword argument 'depth'; expected one of ",
    }.items():
        assert main([command, "--checkpoint", str(checkpoint), "--core-option", text]) == 2
        assert capsys.readouterr().err.startswith(f"error: {message}")


def test_the_zoo_takes_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "sudoku4x4", "--puzzles=20"]) == 0
    saved = capsys.readouterr().out
    assert main(["zoo", "sudoku4x4", "--puzzles=20", "--core-option", "l_cycles=1"]) == 0
    assert capsys.readouterr().out != saved


def test_values_are_numbers_words_or_texts() -> None:
    texts = ["a-b=1", "c=0.5", "d=true", "e=False", "f=null", "g=None", "h=x=y", 'i="1"']
    found = {"a_b": 1, "c": 0.5, "d": True, "e": False, "f": None, "g": None, "h": "x=y", "i": "1"}
    assert named_values("--option", texts) == found
    with pytest.raises(ValueError, match=re.escape("--option: expected one of a_b, c, found 'd'")):
        named_values("--option", texts, ["a_b", "c"])


def test_errors_name_the_option_that_was_typed() -> None:
    for option in ("--option", "--core-option"):
        for typed in (["evaluate", option, "clues=3"], ["evaluate", f"{option}=clues=3"]):
            assert as_typed("clues: expected 4", typed) == f"{option} clues: expected 4"
    assert as_typed("clues: expected 4", ["evaluate", "--option", "other_clues=3"]) == "clues: expected 4"
