"""The tools of the benchmarks, and the command that runs them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from agents import HRM_SHAPED, small_puzzle
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import __main__ as program
from benchmarks import evaluation, halting_env, memory, options, presets, puzzle_embedding, training_step, vector_env
from benchmarks.__main__ import main
from benchmarks.memory import PeakStorage, segment_peak
from benchmarks.report import Value
from benchmarks.timing import Products, Times, fastest_products, side_by_side
from hrm_agent.config import Mixer
from hrm_agent.cores import PuzzleShape

SHAPE = PuzzleShape(seq_len=6, vocab_size=5)
ONE: dict[str, Any] = {"rounds": 1, "threads": 1, "device": "cpu"}
SMALL: dict[str, Any] = {"hidden_size": 16, "num_heads": 2, "l_layers": 1}


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    times = Times({"slow": [2.0, 40.0, 6.0], "fast": [1.0, 10.0, 6.0]})
    assert times.median("slow") == 6.0
    assert times.ratio("fast", "slow") == 2.0  # of 2, 4 and 1; the medians' ratio is another


def test_calls_take_turns_and_the_first_turn_does_not_count() -> None:
    made: list[str] = []
    times = side_by_side({"a": lambda: made.append("a"), "b": lambda: made.append("b")}, rounds=2, device="cpu")
    assert made == ["a", "b"] * 3
    assert [len(times.rounds[name]) for name in "ab"] == [2, 2]


def test_the_peak_is_that_of_the_product_with_the_highest_rate() -> None:
    peak = fastest_products(torch.float32, "cpu", [(1, 16, 1), (64, 64, 64)])
    assert peak.sizes == (64, 64, 64)
    assert peak.count > 1
    peak.count = 3  # half a second of them takes the counter many
    assert peak.flops == 2 * 64**3 * 3
    with FlopCounterMode(display=False) as counter:
        peak()
    assert counter.get_total_flops() == peak.flops


def test_peak_memory_counts_what_lives_at_the_same_time() -> None:
    with PeakStorage() as counted:
        first = torch.zeros(1000)
        second = first.view(10, 100) + 1  # a view makes nothing, a sum does
        second.mul_(2)
        del second
        third = torch.ones(500)
        del first, third
        torch.zeros(100)
    assert counted.peak == 4 * (1000 + 1000)
    assert counted.now == 0


def number(row: Mapping[str, Value], column: str) -> float:
    """A cell of a table, which must hold a number."""
    value = row[column]
    assert isinstance(value, float | int)
    return value


@pytest.mark.parametrize("mixer", get_args(Mixer))
@pytest.mark.parametrize("core", HRM_SHAPED)
def test_one_step_memory_is_flat_and_full_memory_linear_in_depth(core: str, mixer: str) -> None:
    shape, needed = small_puzzle(mixer)
    peaks = {
        gradient: [
            segment_peak(shape, 4, core=core, gradient=gradient, h_cycles=n, l_cycles=2, **SMALL | needed)
            for n in (2, 4, 8, 16)
        ]
        for gradient in ("one-step", "last-cycle", "full")
    }
    assert len(set(peaks["one-step"])) == len(set(peaks["last-cycle"])) == 1
    assert peaks["one-step"][0] < peaks["last-cycle"][0]
    a, b, *others = peaks["full"]
    assert others == [b + (b - a) * factor for factor in (2, 6)]
    assert b > 1.5 * a


def test_last_cycle_memory_is_linear_in_its_steps() -> None:
    a, b, c = (segment_peak(SHAPE, 4, gradient="last-cycle", l_cycles=t, **SMALL) for t in (2, 4, 8))
    assert c - b == 2 * (b - a) > 0


def test_a_training_step_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    network = training_step.NETWORKS["hrm"]
    small = replace(network, options={**network.options, **SMALL, "h_layers": 1})
    monkeypatch.setitem(training_step.NETWORKS, "hrm", small)
    monkeypatch.setattr(training_step, "layer_shapes", lambda core, batch_size: [(64, 64, 64)])
    monkeypatch.setattr(Products, "last", lambda *_: None)  # half a second, in each turn
    part = training_step.measure(training_step.Options(batch_size=2, steps=1, compile=False, **ONE))
    assert [row["step"] for row in part.rows] == ["ours, second-pass", "ours, next-step", "ours, none"]
    assert all(number(row, "MFU") > 0 for row in part.rows)
    assert part.rows[0]["× ours, second-pass"] == 1


def test_small_presets_are_measured() -> None:
    (row,) = presets.measure(presets.Options(presets=("sudoku4x4",), compile=False, updates=1, **ONE)).rows
    assert row["batch"] == 64
    assert number(row, "eager/s") > 0


def test_an_evaluation_is_measured() -> None:
    every, chosen = evaluation.measure(evaluation.Options(updates=1, puzzles=20, **ONE)).rows
    assert (every["segments"], every["× fewer"], every["× all"]) == (8, 1, 1)
    assert chosen["share"] == number(chosen, "× all") / number(chosen, "× fewer")


def test_the_vector_environment_is_measured() -> None:
    small = vector_env.Options(puzzle="HRM-Copy-v0", slots=(2, 4), most_looped=2, transitions=8, **ONE)
    few, many = vector_env.measure(small).rows
    assert number(few, "native × loop") > 0
    assert many["native × loop"] is many["loop/s"] is None


def test_memory_is_measured_and_drawn(tmp_path: Path) -> None:
    small = memory.Options(((2, 2), (4, 2)), hidden_size=16, batch_size=1, device="cpu", figure=f"{tmp_path}/peak")
    first, second = memory.measure(small).rows
    assert (first["N·T"], second["N·T"]) == (4, 8)
    assert first["one-step MB"] == second["one-step MB"]
    assert (tmp_path / "peak.png").stat().st_size > 1000


def test_the_command_prints_the_parts_and_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny: dict[str, Any] = {"depths": ((1, 1), (2, 1)), "hidden_size": 16, "batch_size": 1}
    monkeypatch.setitem(program.QUICK, "memory", tiny)
    threads = torch.get_num_threads()
    history = tmp_path / "history.jsonl"
    asked = ["memory", "--quick", "--threads", "1", "--device", "cpu"]
    asked += ["--out", str(tmp_path), "--history", str(history)]
    assert main(asked) == 0
    assert "history  no earlier run" in capsys.readouterr().out
    assert main(asked) == 0
    torch.set_num_threads(threads)
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["machine"] | {"threads": 1, "torch": torch.__version__} == result["machine"]
    assert [part["name"] for part in result["parts"]] == ["memory"]
    assert result["parts"][0]["rows"][1]["N·T"] == 2
    printed = capsys.readouterr().out
    assert "Peak activation memory" in printed
    assert "Change since" in printed
    first, second = map(json.loads, history.read_text().splitlines())
    assert first["values"] == second["values"]  # bytes are counted exactly
    assert second["values"]["memory: 2: full MB"] == result["parts"][0]["rows"][1]["full MB"]
    assert second["settings"] == {"threads": 1, "clock": "wall", "quick": True, "checkpoint": ""}


BAD = {
    "step --quick --reference {tmp} --out {tmp}": "{tmp}: expected a clone of sapientinc/HRM, found no models/hrm/.*",
    "--threads -1": f"--threads: expected an integer from 0 to {os.cpu_count()}, found -1",
    "--out {tmp}/file": "--out: expected a file in a folder that can be written, found .*/file/bench.json",
    "--history {tmp}": "--history: expected the name of a file, found the folder {tmp}",
    "--history {tmp}/file": "{tmp}/file, line 1: expected a JSON object of date, .*, found 'not a folder'",
    "speed": "invalid choice 'speed' .*",
}


@pytest.mark.parametrize(("typed", "message"), BAD.items())
def test_bad_input_is_one_sentence(
    typed: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    arguments = typed if "--history" in typed else f"{typed} --history {{tmp}}/history.jsonl"
    assert main(arguments.replace("{tmp}", str(tmp_path)).split()) == 2
    assert re.fullmatch(f"error: {message.replace('{tmp}', re.escape(str(tmp_path)))}\n", capsys.readouterr().err)
    assert not (tmp_path / "history.jsonl").exists()


def test_a_measurement_alone_prints_its_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["puzzle_embedding", "--ids", "1", "2", "--rounds", "1", "--threads", "1"])
    with pytest.raises(SystemExit) as end:
        options.run(puzzle_embedding.Options, puzzle_embedding.measure)
    assert end.value.code == 0
    assert "time × first" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["puzzle_embedding", "--rounds", "0"])
    with pytest.raises(SystemExit) as end:
        options.run(puzzle_embedding.Options, puzzle_embedding.measure)
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: --rounds: expected an integer of at least 1, found 0\n"


def test_the_halting_environment_is_measured() -> None:
    sizes: dict[str, Any] = {"slots": (2, 4), "most_looped": 2, "transitions": 8, "puzzles": 4, "budget": 2}
    few, many = halting_env.measure(halting_env.Options(rounds=1, threads=1, **sizes)).rows
    assert number(few, "native × loop") > 0
    assert many["native × loop"] is None
