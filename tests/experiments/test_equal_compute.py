"""Agents at equal operations: the table agrees with the runs and the evaluation, and bad agents are one sentence."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest

from experiments import equal_compute
from experiments.equal_compute import PLACES, EqualCompute
from hrm_agent import HRM
from hrm_agent.cores.flops import segment_flops, training_flops
from train import fit
from train.results import read_result

TINY = shlex.split(
    "--preset sudoku4x4 --core lattice --num-puzzles 40 --test-puzzles 30 --max-segments 2 --hidden-size 16 "
    "--num-heads 1 --layers 1 --loops 2 --q-bootstrap none --batch-size 16 --warmup-steps 2 --dtype float32 "
    "--threads 1 --device cpu --ema 0.5 --updates 8 --evaluate-every 4"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit.main([*TINY, "--out", str(folder)])
    return folder


def test_the_table_counts_the_operations_of_every_sweep_and_segment(run: Path, tmp_path: Path) -> None:
    agents = ["--agent", f"whole={run}", "--agent", f"no search={run} search=false"]
    puzzles = ["--num-puzzles", "20", "--max-segments", "3", "--threads", "1", "--device", "cpu"]
    equal_compute.main([*agents, *puzzles, "--out", str(tmp_path)])
    rows = pd.read_csv(tmp_path / "equal_compute.csv")
    training, thinking = (rows[rows["panel"] == panel] for panel in PLACES)
    core = HRM.load(run, device="cpu").policy.acting_core
    assert list(training["agent"].unique()) == ["whole"]
    history = read_result(run / "result.json")["history"]
    assert list(training["operations"]) == [
        pytest.approx(each["updates"] * training_flops(core, 16) / 1e12) for each in history
    ]
    assert list(training["solved"]) == [each["exact"] for each in history]
    for _, agent in thinking.groupby("agent"):
        assert list(agent["operations"]) == [pytest.approx(m * segment_flops(core, 1) / 1e9) for m in (1, 2, 3)]
    assert thinking["agent"].nunique() == 2
    assert (rows["low"] <= rows["solved"]).all()
    assert (rows["solved"] <= rows["high"]).all()
    assert (tmp_path / "equal_compute.png").exists()


@pytest.mark.parametrize("agents", [("=folder",), ("name",), ("name=",), ("a=one", "a=two")])
def test_an_agent_has_a_name_of_its_own_and_a_folder(agents: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="--agent: expected another NAME=FOLDER"):
        EqualCompute(agent=agents).agents()


def test_a_run_that_went_on_from_other_weights_is_refused(run: Path, tmp_path: Path) -> None:
    fit.main([*TINY, "--checkpoint", str(run), "--out", str(tmp_path / "second")])
    with pytest.raises(ValueError, match="expected a run without --checkpoint, found"):
        equal_compute.main(["--agent", f"second={tmp_path / 'second'}", "--out", str(tmp_path / "out")])
