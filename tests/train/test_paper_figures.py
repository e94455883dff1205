"""``train figures --paper``: its runs, numbers, verdicts and files, on the copy task."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn, cast

import numpy as np
import pytest
from agents import SHAPE, trained_agent

from hrm_agent.cores.matching import size_of
from train import figures
from train.paper import accuracy, lab
from train.paper.catalogue import FIGURES
from train.paper.claims import CLAIMS, LEARNED, Claim, Condition
from train.paper.lab import QUICK, Lab, Sizes
from train.paper.numbers import Number, cached, mean_of, statistic_of
from train.presets import Fit

TINY = Sizes(
    options=(
        *("--preset", "sudoku4x4", "--env", "HRM-Copy-v0", "--hidden-size", "16", "--batch-size", "8"),
        *("--updates", "3", "--test-puzzles", "20", "--max-segments", "2", "--halting", "q-compare"),
        *("--evaluate-every", "0", "--threads", "1", "--no-dynamics"),
    ),
    seeds=1,
    scales=(1,),
    widths=(1,),
    budgets=(2,),
    inference=4,
    puzzles=(1000,),
    measured=6,
    stages=(0.34, 1.0),
)


def numbers_of(folder: Path) -> dict[tuple[str, str, str, float], float]:
    rows = json.loads((folder / "paper.json").read_text())["numbers"]
    return {(row["figure"], row["series"], row["metric"], row["x"]): row["value"] for row in rows}


def test_all_figures_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "QUICK", TINY)
    arguments = ["--paper", "--quick", "--out", str(tmp_path)]
    figures.main(arguments)
    assert {path.stem for path in tmp_path.glob("*.png")} == set(FIGURES)
    numbers = numbers_of(tmp_path)
    assert {name for name, *_ in numbers} == set(FIGURES)
    assert numbers["fig5", "fixed M", "segments", 2] == 2
    own = json.loads((tmp_path / "runs" / "hrm-seed0" / "result.json").read_text())
    assert numbers["agent", "HRM", "accuracy", 0] == pytest.approx(own["all_segments"]["exact"])
    claims = json.loads((tmp_path / "paper.json").read_text())["claims"]
    assert [each["verdict"] for each in claims] == ["cannot be told at this size"] * len(CLAIMS)  # nothing was learned
    page = (tmp_path / "paper.md").read_text()
    assert all(claim.text in page for claim in CLAIMS)

    def fail(*_: object) -> NoReturn:
        raise AssertionError("measured again")

    monkeypatch.setattr("train.training._fit", fail)
    monkeypatch.setattr(lab, "record", fail)
    for name, figure in FIGURES.items():
        monkeypatch.setitem(FIGURES, name, replace(figure, measure=fail))
    figures.main([*arguments, "--only", "fig7", "--only", "data"])
    assert numbers_of(tmp_path) == {key: numbers[key] for key in numbers if key[0] in ("agent", "fig7", "data")}


def test_an_agent_of_ones_own_is_measured_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "QUICK", TINY)
    trained_agent().save(tmp_path / "own.zip")
    common = ["--paper", "--quick", "--checkpoint", str(tmp_path / "own.zip"), "--out", str(tmp_path / "out")]
    figures.main([*common, "--num-puzzles", "20"])
    numbers = numbers_of(tmp_path / "out")
    assert {name for name, *_ in numbers} == {name for name, figure in FIGURES.items() if figure.one_agent}
    assert numbers["agent", "HRM", "accuracy", 0] > 0.9
    assert numbers["causal", "freeze z_h", "cost in accuracy", 0] >= 0
    assert not (tmp_path / "out" / "runs").exists()
    with pytest.raises(ValueError, match=r"--only: expected one of agent, fig3, .* found 'fig2'"):
        figures.main([*common, "--only", "fig2"])


def test_there_is_no_other_set_of_figures() -> None:
    with pytest.raises(ValueError, match="--paper: expected"):
        figures.main([])


def test_seeds_are_those_of_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def stop(options: object, rest: object, others: object) -> None:
        found = figures.trained(cast(figures.FigureOptions, options), [], [])[0]
        made.append(found.sizes.seeds)

    monkeypatch.setattr(figures, "make", stop)
    for seeds in ([], ["--seeds", "2"]):
        figures.main(["--paper", "--quick", "--out", str(tmp_path), *seeds])
    assert made == [1, 2]
    with pytest.raises(ValueError, match="--seeds: expected it without --checkpoint"):
        figures.main(["--paper", "--seeds", "2", "--checkpoint", "zoo:sudoku4x4", "--out", str(tmp_path)])


@pytest.mark.parametrize("sizes", [Sizes(), QUICK])
def test_the_runs_are_of_equal_size_where_they_are_said_to_be(sizes: Sizes, tmp_path: Path) -> None:
    made = Lab(tmp_path, sizes)
    ours, rnn = (size_of(made.run(options).core, SHAPE) for options in ("", accuracy.rnn(made)))
    assert rnn.flops == ours.flops
    assert abs(rnn.parameters - ours.parameters) <= 0.01 * ours.parameters
    for scale in sizes.scales:
        runs = [made.run(kind(made, scale)) for kind in (accuracy.transformer, accuracy.recurrent, accuracy.hrm)]
        assert len({run.core.passes * run.data.max_segments for run in runs}) == 1
    batches = [made.run(accuracy.gradient_options(made, each, equal=True)).batch_size for each in accuracy.GRADIENTS]
    assert batches == [made.base.batch_size // part for part in (1, 1.5, 3)]


def test_a_stage_that_was_passed_is_missed(tmp_path: Path) -> None:
    made = Lab(tmp_path, TINY)
    run = made.base
    made.train(run)
    with pytest.raises(ValueError, match=r"after-0\.34\.zip: expected it beside a finished run"):
        made.train(run, TINY.stages)


@pytest.mark.parametrize(
    ("low", "high", "greater", "verdict"),
    [
        (0.1, 0.3, True, "agrees"),
        (-0.3, -0.1, True, "does not agree"),
        (-0.1, 0.3, True, "cannot be told at this size"),
        (0.0, 0.0, True, "cannot be told at this size"),
        (0.1, 0.3, False, "does not agree"),
        (-0.3, -0.1, False, "agrees"),
        (None, None, True, "not measured"),
    ],
)
def test_the_verdict_follows_from_the_interval(
    low: float | None, high: float | None, greater: bool, verdict: str
) -> None:
    condition = Condition("f", "a", "b", greater=greater)
    numbers = {"f": [Number("a", "b", 0, 0.0, low, high)], "agent": [Number("HRM", "accuracy", 0, 0.9, 0.8, 1.0)]}
    assert condition.verdict(condition.find(numbers)) == verdict
    assert Claim("", "", (condition,)).verdict(numbers) == verdict
    sure = Condition("agent", "HRM", "accuracy", 0.5)
    assert Claim("", "", (sure, condition)).verdict(numbers) == verdict
    numbers["agent"] = [Number("HRM", "accuracy", 0, 0.1, 0.0, 0.15)]
    assert LEARNED.verdict(LEARNED.find(numbers)) == "does not agree"
    assert Claim("", "", (condition,)).verdict(numbers) == "cannot be told at this size"


def test_every_claim_is_about_a_figure() -> None:
    assert {condition.figure for claim in CLAIMS for condition in claim.conditions} <= set(FIGURES)


def test_means_and_statistics_have_intervals() -> None:
    values = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    found = mean_of("a", "b", values, x=3)
    assert (found.series, found.metric, found.x, found.value) == ("a", "b", 3, 0.75)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < 0.75 < found.high <= 1
    total = statistic_of("a", "b", 4, lambda weights: float(weights.sum()))
    assert (total.value, total.low, total.high) == (4, 4, 4)


def test_numbers_are_measured_anew_for_another_key(tmp_path: Path) -> None:
    first, second = [Number("a", "b", 0, 1.0, None, None)], [Number("a", "b", 0, 2.0, 1.0, 3.0, 4.0)]
    path = tmp_path / "numbers.json"
    assert cached(path, {"key": 1}, lambda: first) == first
    assert cached(path, {"key": 1}, lambda: second) == first
    assert cached(path, {"key": 2}, lambda: second) == second
    assert cached(path, {"key": 2}, lambda: first) == second


def test_the_options_of_a_run_are_its_own(tmp_path: Path) -> None:
    made = Lab(tmp_path, TINY, ["--learning-rate", "1e-4"])
    other = made.run("--core rnn --layers 2 --steps 3", seed=2)
    assert isinstance(other, Fit)
    assert (other.seed, other.core.name, other.learner.learning_rate) == (2, "rnn", 1e-4)
    assert asdict(other.data) == asdict(made.base.data)
    assert Path(other.out) == tmp_path / "runs" / "core-rnn-layers-2-steps-3-seed2"
