"""The figures of the headline run: both tests and their mix, from sweeps that take every puzzle once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agents import tiny_agent

from experiments.headline import figures
from hrm_env.sources import load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.tasks import make_task


def test_the_tables_hold_what_the_sweeps_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_agent("HRM-Sudoku4x4-v0", q_bootstrap="none", halting="q-threshold:0.5").learn(16 * 5)
    model.save(tmp_path / "agent")
    task = make_task("sudoku:2x2")
    for name, count in (("hard", 9), ("easy", 6)):
        write_csv(task, tmp_path / f"{name}.csv", load_puzzles(task, num_puzzles=count))
    agent, hard_file, easy_file = (str(tmp_path / name) for name in ("agent.zip", "hard.csv", "easy.csv"))
    options = figures.Options(
        agent, hard_file, easy_file, budget=6, views=(1, 2), batch_size=4, threads=1, device="cpu", out=tmp_path
    )
    halting, budgets = figures.sweep(options)
    assert [row["halting"] for row in halting.rows] == ["fixed:6", "q-threshold:0.5", "halt-first:1", "halt-first:2"]
    assert [row["segments"] for row in budgets.rows] == [1, 2, 4]
    assert halting.rows[0]["segments"] == pytest.approx(6)
    assert halting.rows[3]["computed"] == pytest.approx(2 * float(halting.rows[3]["segments"] or 0))
    for row in halting.rows:
        policy = str(row["halting"]).replace(":", "-")
        hard, easy = (json.loads((tmp_path / f"{test}-{policy}.json").read_text()) for test in ("hard", "easy"))
        assert (hard["puzzles"], easy["puzzles"]) == (9, 6)
        assert row["mix %"] == pytest.approx(78.4 * hard["exact"] + 21.6 * easy["exact"])
    curve = json.loads((tmp_path / "hard-fixed-6.json").read_text())["accuracy_by_segment"]
    assert [row["hard %"] for row in budgets.rows] == pytest.approx([100 * curve[place] for place in (0, 1, 3)])


def test_the_mix_weighs_as_the_test_set_does() -> None:
    assert figures.mix(0.5, 1.0) == pytest.approx(0.784 * 0.5 + 0.216)
