"""``train study-training``: which runs it makes, that it goes on where it stopped, and its table."""

from __future__ import annotations

import csv
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hrm_agent.config import HRMConfig
from train import study_training, training
from train.presets import PRESETS, Fit
from train.study_training import VARIANTS, StudyTraining, chosen_variants, options_of_run
from train.variants import Variant

TINY = "--hidden-size 16 --batch-size 8 --updates 3 --evaluate-every 0 --num-puzzles 20 --test-puzzles 30 --threads 1"


@pytest.mark.parametrize("preset", ["sudoku4x4", "sudoku6x6"])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_differs_from_the_preset_in_its_own_options_alone(name: str, preset: str) -> None:
    run = options_of_run(StudyTraining(preset=preset), name, VARIANTS[name], 2, ["--threads", "1"])
    assert (run.preset, run.seed, run.threads) == (preset, 2, 1)
    assert run.data == PRESETS[preset].data
    assert isinstance(run.core, HRMConfig)
    assert replace(run.core, dtype="auto") == PRESETS[preset].core
    changed = (run.learner, run.halting, run.exploration) != (
        PRESETS[preset].learner,
        PRESETS[preset].halting,
        PRESETS[preset].exploration,
    )
    assert changed == (name != "preset")


@pytest.mark.parametrize(
    ("name", "variant", "shared", "halting"),
    [
        ("no halting", VARIANTS["no halting"], ["--max-segments", "16"], "fixed:16"),
        ("PonderNet", VARIANTS["PonderNet"], ["--max-segments=16"], "fixed:16"),
        ("no halting", VARIANTS["no halting"], [], "fixed:8"),
        ("own", Variant("--max-segments 5 --halting fixed:{budget}"), ["--max-segments", "16"], "fixed:5"),
        ("preset", VARIANTS["preset"], ["--max-segments", "16"], "q-threshold:0.95"),
    ],
)
def test_the_budget_is_that_of_the_run(name: str, variant: Variant, shared: list[str], halting: str) -> None:
    assert options_of_run(StudyTraining(), name, variant, 0, shared).halting == halting


def test_variants_of_ones_own() -> None:
    study = StudyTraining(variant=("a=", "slow=--learning-rate 1e-4"))
    assert chosen_variants(study) == {"a": Variant(""), "slow": Variant("--learning-rate 1e-4")}
    assert options_of_run(study, "slow", chosen_variants(study)["slow"], 0, []).learner.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (StudyTraining(preset="nope"), "--preset: expected one of sudoku6x6, .* found 'nope'"),
        (StudyTraining(variant=("--halting oracle",)), "--variant: expected name=options, found '--halting oracle'"),
        (StudyTraining(only=("nope",)), "--only: expected one of preset, .* found 'nope'"),
    ],
)
def test_bad_options_are_one_sentence(study: StudyTraining, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chosen_variants(study)


def test_a_study_goes_on_where_it_stopped_and_tells_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []
    original = training.fit

    def noted(run: Fit) -> Path:
        trained.append(Path(run.out).name)
        return original(run)

    monkeypatch.setattr(training, "fit", noted)
    own = ["--variant", "plain=", "--variant", "fixed=--halting fixed:2", "--out", str(tmp_path), *shlex.split(TINY)]
    study_training.main([*own, "--seeds", "1"])
    assert trained == ["plain-seed0", "fixed-seed0"]
    study_training.main([*own, "--seeds", "2"])
    assert trained[2:] == ["plain-seed1", "fixed-seed1"]
    assert "2 seeds" in capsys.readouterr().out

    plain, fixed = json.loads((tmp_path / "training.json").read_text())
    assert (plain["judged"], fixed["judged"], fixed["seeds"]) == ("q-threshold:0.95", "fixed:2", 2)
    assert (plain["gain_mean"], plain["gain_low"], plain["gain_high"]) == (0, 0, 0)
    assert (fixed["segments_mean"], fixed["segments_high"]) == (2, 2)
    results = [json.loads((tmp_path / f"fixed-seed{seed}" / "result.json").read_text()) for seed in (0, 1)]
    assert fixed["solved_mean"] == pytest.approx(np.mean([result["chosen"]["exact"] for result in results]))
    budget = np.mean([result["all_segments"]["exact"] for result in results])
    assert fixed["solved_at_budget_mean"] == pytest.approx(budget)
    with (tmp_path / "training.csv").open() as file:
        assert [row["variant"] for row in csv.DictReader(file)] == ["plain", "fixed"]

    with pytest.raises(ValueError, match=r"--batch-size: expected 8 as in .*result.json, found 4"):
        study_training.main([*own, "--seeds", "2", "--batch-size", "4"])
