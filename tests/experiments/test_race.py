"""Races: halving keeps the best, a killed race goes on, and bad options are one sentence."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pandas as pd
import pytest
from fit_processes import newest_step, wait_until
from paths import ROOT
from processes import FORKS

from experiments import race
from experiments.race import Race, kept_of, racers_of
from train.pause import Limit
from train.training import fit
from train.variants import Variant, options_of_variant

TINY = shlex.split(
    "--preset sudoku4x4 --num-puzzles 40 --test-puzzles 30 --max-segments 2 --hidden-size 16 --num-heads 1 "
    "--batch-size 16 --warmup-steps 2 --dtype float32 --threads 1 --device cpu --ema 0.5"
)
VARIANTS = ["--variant=still=--learning-rate 1e-9", "--variant=good="]
ROUNDS = ["--rounds=2", "--updates-first=8", "--keep=0.5", "--metric=cell_accuracy"]
CLOCK = ["cpu_minutes"]


def table_of(folder: Path) -> list[pd.DataFrame]:
    return [pd.read_csv(folder / name).drop(columns=CLOCK) for name in ("race.csv", "curves.csv")]


def run_race(arguments: list[str], output: Path) -> None:
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(handle, stream)
    race.main(arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "race"
    race.main([*VARIANTS, *ROUNDS, *TINY, "--out", str(folder)])
    return folder


def test_halving_keeps_the_best(whole: Path) -> None:
    rows, curves = table_of(whole)
    assert rows["variant"][0] == "good"
    assert list(rows["rounds"]) == [2, 1]
    assert list(rows["updates"]) == [16, 8]
    assert rows["cell_accuracy"][0] != rows["cell_accuracy"][1]
    assert rows["parameters"].nunique() == 1
    assert list(rows["teraflops"]) == pytest.approx(list(rows["flops_per_step"] * rows["updates"] / 1e12))
    assert list(curves[curves["variant"] == "good"]["updates"]) == [8, 16]
    assert {"race.png", "race.svg"} <= {file.name for file in whole.iterdir()}


def test_a_killed_race_goes_on_to_the_same_table(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*VARIANTS, *ROUNDS, *TINY, "--out", str(tmp_path / "race")]
    for run, step in (("still-seed0", 3), ("good-seed0", 11)):
        process = FORKS.Process(
            target=run_race, args=([*arguments, "--checkpoint-seconds=0"], tmp_path / "printed.txt")
        )
        process.start()
        assert wait_until(lambda run=run, step=step: newest_step(tmp_path / "race" / run) >= step, process)  # type: ignore[misc]
        process.kill()
        process.join()
    race.main(arguments)
    assert "good-seed0/checkpoints/step-000000" in capsys.readouterr().out
    for expected, found in zip(table_of(whole), table_of(tmp_path / "race"), strict=True):
        pd.testing.assert_frame_equal(expected, found)
    race.main(arguments)  # has nothing left to do
    assert "going on after" not in capsys.readouterr().out


def test_a_paused_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    fixed = options_of_variant(tmp_path, "run", Variant("--updates 9 --evaluate-every 3"), 0, TINY)
    fit(fixed, Limit(4, "updates"))
    assert not (tmp_path / "run-seed0" / "result.json").exists()
    fit(fixed, Limit(6, "updates"))
    fit(fixed)
    fit(options_of_variant(tmp_path, "other", Variant("--updates 9 --evaluate-every 3"), 0, TINY))
    weights = [(tmp_path / run / "model.zip").read_bytes() for run in ("run-seed0", "other-seed0")]
    assert weights[0] == weights[1]


def test_a_race_over_cpu_time_gives_more_to_those_kept(tmp_path: Path) -> None:
    race.main([*VARIANTS, "--rounds=2", "--minutes=0.002", "--seeds=2", "--keep=0.5", *TINY, "--out", str(tmp_path)])
    rows = pd.read_csv(tmp_path / "race.csv")
    assert list(rows["rounds"]) == [2, 1]
    assert rows["cpu_minutes"][0] >= 0.004
    assert rows["cpu_minutes"][1] >= 0.002
    with pytest.raises(ValueError, match=r"variant 'still': --minutes, --updates-first: .* found 0.06 cpu_seconds"):
        race.main([*VARIANTS, "--rounds=1", "--minutes=0.001", *TINY, "--out", str(tmp_path)])


def test_a_variant_that_diverges_is_last_and_stops_nothing(tmp_path: Path) -> None:
    variants = ["--variant=wild=--learning-rate 1e30", "--variant=good="]
    race.main([*variants, "--rounds=1", "--updates-first=5", *TINY, "--out", str(tmp_path)])
    rows = pd.read_csv(tmp_path / "race.csv")
    assert list(rows["variant"]) == ["good", "wild"]
    assert list(rows["diverged"]) == [False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--nope 3", r"variant 'bad': .*nope"),
        ("--batch-size 0", r"variant 'bad': --batch-size: expected an integer of at least 1, found 0"),
        ("--optimizer 'adamw", r"variant 'bad': No closing quotation"),
        ("--mixer attention --positions rope-2d", r"variant 'bad': .*grid.columns: expected .* found None"),
        ("--lr-min-ratio 0.1", r"variant 'bad': --lr-min-ratio: expected 1 in a race, .* found 0.1"),
        ("--updates 49", r"variant 'bad': --updates: expected the 50 of the last round or more, found 49"),
    ],
)
def test_bad_options_are_one_sentence_that_names_the_variant(options: str, message: str, tmp_path: Path) -> None:
    made = Race(variant=("good=", f"bad={options}"), updates_first=8, keep=0.4, out=tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        racers_of(made, TINY)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[variants", "race.toml: Expected"),
        ("options = 3", "race.toml: options: expected options of fit in quotes, found 3"),
        ("[variants]\na = 3", "race.toml: a: expected options of fit in quotes, found 3"),
        ("nope = 3", "race.toml: expected a text 'options' and a table 'variants', found .*nope"),
        ("[variants]\na = ''", "--file, --variant: expected two variants or more, found 1"),
    ],
)
def test_a_bad_file_is_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "race.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        racers_of(Race(file=tmp_path / "race.toml"), [])


@pytest.mark.parametrize("path", sorted((ROOT / "experiments" / "races").glob("*.toml")), ids=lambda path: path.name)
def test_the_lists_in_the_repository_can_be_raced(path: Path) -> None:
    racers = racers_of(Race(file=path), ["--threads", "1"])
    first = [racer.runs[0] for racer in racers]
    assert len({repr((run.core, run.learner, run.batch_size, run.data)) for run in first}) == len(racers)


def test_a_round_keeps_the_share_rounded_up() -> None:
    assert [kept_of(count, 0.5) for count in (1, 2, 3, 8)] == [1, 1, 2, 4]
    assert kept_of(10, 0.3) == 3
