"""What is looked at before a long training on a new machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.presets import quiet_agent
from benchmarks.training_step import core_of
from experiments.headline import first
from hrm_agent.cores.flops import training_flops
from train.presets import PRESETS

QUICK = first.Options(presets=("sudoku4x4",), quick=True, compile=False, threads=1, device="cpu")


def test_it_looks_at_everything_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = first.look(replace(QUICK, out=tmp_path))
    assert [part.name for part in found] == ["ceilings", "verify-sudoku4x4", "speed-sudoku4x4"]
    written = json.loads((tmp_path / "first.json").read_text())
    assert [part["name"] for part in written["parts"]] == [part.name for part in found]
    assert "aten::" in (tmp_path / "profile.txt").read_text()
    assert all(row["finite"] == "True" for row in found[1].rows)
    assert "1,000 steps take" in capsys.readouterr().out


def test_a_curriculum_is_timed_stage_by_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    # a step that takes as long as it has operations, at 1 GFLOP/s
    fast = PRESETS["sudoku-extreme-1k-fast"]
    small = replace(fast, data=replace(fast.data, env="HRM-Sudoku4x4-v0"))
    monkeypatch.setitem(PRESETS, "small", small)
    model = quiet_agent(first.fit_of("small", replace(QUICK, presets=("small",), source="generated")))
    core = core_of(model)

    class Clock:
        def median(self, _: str) -> float:
            return training_flops(core, model.n_envs) / 1e9

    monkeypatch.setattr(first, "side_by_side", lambda *_: Clock())
    part = first.speed("small", model, replace(QUICK, steps=1, minutes=2.0), 1e-2)
    assert [(row["N, T"], row["share of the run"]) for row in part.rows] == [
        ("2, 3", 0.3),
        ("4, 6", 0.3),
        ("6, 9", 0.4),
    ]
    assert [row["MFU"] for row in part.rows] == pytest.approx([0.1] * 3)
    mean = sum(float(row["ms"] or 0) * share / 1e3 for row, share in zip(part.rows, (0.3, 0.3, 0.4), strict=True))
    assert f"2 minutes are {int(120 / mean):,} steps" in part.notes[0]


def test_a_weight_that_is_not_finite_is_told() -> None:
    model = quiet_agent(first.fit_of("sudoku4x4", QUICK))
    with torch.no_grad():
        model.policy.core.get_parameter("q_bias").fill_(torch.nan)
    with pytest.raises(RuntimeError, match="finite"):
        first.verified("sudoku4x4", model)
