"""An agent as an ONNX graph: ONNX Runtime computes what torch computes, for every core."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from agents import SHAPE, small_puzzle, tiny_core
from gymnasium.error import DependencyNotInstalled
from torch import Tensor

from hrm_agent import CORES, HRM, PuzzleShape, export_onnx, load_pretrained
from hrm_agent.checkpoints.onnx_file import Segment, exported_segment, in_float32, segment_graph
from hrm_agent.checkpoints.onnx_parity import (
    compare,
    exact_logits,
    first_feed,
    next_feed,
    onnx_segment,
    torch_segments,
)
from hrm_agent.config import GRUConfig, Mixer
from hrm_agent.cores.core import ReasoningCore, SegmentOutput
from hrm_agent.cores.gru import GRUCarry, GRUCore
from hrm_env import PuzzleBatch
from train.__main__ import main

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")


def batch(rows: int, shape: PuzzleShape = SHAPE) -> PuzzleBatch:
    drawn = torch.Generator().manual_seed(0)
    inputs = torch.randint(1, shape.vocab_size, (rows, shape.seq_len), generator=drawn)
    return PuzzleBatch(inputs, inputs, torch.arange(rows) % shape.num_puzzle_ids)


KINDS = [name for name in CORES if not name.endswith("transformer")]  # these are the RNN's class


@pytest.mark.parametrize("name", KINDS)
def test_every_core_computes_the_same(name: str, tmp_path: Path) -> None:
    few: dict[str, Any] = {"h_cycles": 1, "l_cycles": 2, "loops": 2, "steps": 2}  # a graph grows with its steps
    known = {field.name for field in fields(CORES[name].config_class)}
    core = in_float32(tiny_core(name, **{key: value for key, value in few.items() if key in known}))
    core.probabilities = "stablemax"
    check_exported(core, tmp_path / "core.onnx")


@pytest.mark.parametrize("mixer", get_args(Mixer))
def test_every_mixer_computes_the_same(mixer: str, tmp_path: Path) -> None:
    shape, needed = small_puzzle(mixer)
    core = tiny_core("hrm", shape=shape, h_cycles=1, l_cycles=1, **needed)
    check_exported(in_float32(core), tmp_path / "core.onnx")


def check_exported(core: ReasoningCore, path: Path) -> None:
    segment = Segment(core, None).eval()
    path.write_bytes(segment_graph(segment).SerializeToString())
    onnx.checker.check_model(onnx.load(path), full_check=True)
    worst = compare(segment, path, batch(5, core.shape), count=2).alone
    assert worst.keys() > {"logits", "probabilities", "q_halt", "residual_h"}
    assert max(rows.max() for rows in worst.values()) < 1e-4


@pytest.mark.parametrize("name", KINDS)
def test_every_core_computes_in_float64_too(name: str) -> None:
    segment = Segment(in_float32(tiny_core(name)), None)
    exact = list(exact_logits(segment, batch(3), 2))
    for logits, found in zip(exact, torch_segments(segment, batch(3), 2), strict=True):
        np.testing.assert_allclose(logits, found["logits"], atol=1e-4, rtol=1e-4)


def test_the_comparison_tells_which_program_is_off(tmp_path: Path) -> None:
    segment = Segment(in_float32(tiny_core("hrm", h_cycles=1, l_cycles=1)), None).eval()
    path = tmp_path / "core.onnx"
    path.write_bytes(segment_graph(segment).SerializeToString())
    found = compare(segment, path, batch(4), 2)
    assert found.same_answers == 1
    assert 0 < found.torch.max() < 1e-5
    assert 0 < found.onnx.max() < 1e-5
    with torch.no_grad():
        segment.core.get_parameter("answer_head.weight").mul_(-1)  # torch is no longer what was exported
    found = compare(segment, path, batch(4), 2)
    assert found.same_answers == 0
    assert found.torch.max() < 1e-5 < found.onnx.min()


def test_the_command_exports_a_released_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.onnx"
    command = ["export", "--checkpoint", "zoo:sudoku4x4", "--to", "onnx", "--out", str(path), "--num-puzzles", "64"]
    assert main([*command, "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    assert "on 64 puzzles, 8 segments each" in printed
    assert "the same answers: 100.00%" in printed
    assert re.search(r"ONNX Runtime +median \S+, 99 % \S+, largest \S+; 0 puzzles above 0.0001", printed)
    graph = onnx.load(path)
    (metadata,) = graph.metadata_props
    agent = json.loads(metadata.value)
    assert (agent["task"], agent["core"], agent["max_segments"]) == ("sudoku:2x2", "hrm", 8)
    assert b".py" not in path.read_bytes()  # nothing tells where it was made
    model = load_pretrained("sudoku4x4", device="cpu")
    check_released(model, path)


def check_released(model: HRM, path: Path) -> None:
    """Compares answers and signals over all segments; a row that begins again is as at its first segment."""
    segment, shape = exported_segment(model), model.policy.acting_core.shape
    puzzles = batch(16, shape)
    compared = compare(segment, path, puzzles, model.max_segments)
    for worst in (compared.alone, compared.in_a_row):
        assert max(rows.max() for rows in worst.values()) < 1e-4
    compute, feed = onnx_segment(path), first_feed(segment, puzzles)
    first = compute(feed)
    after = next_feed(feed, first)
    second = compute(after)
    some = compute({**after, "start": np.arange(16) < 8})
    for name in first:
        np.testing.assert_allclose(some[name][:8], first[name][:8], atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(some[name][8:], second[name][8:], atol=1e-5, rtol=1e-4)


class Counting(GRUCore):
    """Reads a value on the way, as no graph can."""

    def forward(self, carry: GRUCarry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        for _ in range(int(inputs.sum().item()) % 3):
            carry = GRUCarry(carry.state + 1)
        return super().forward(carry, inputs, puzzle_id)


class OfTwoRows(GRUCore):
    """Is traced for one number of rows, because Python's ``len`` is a number."""

    def forward(self, carry: GRUCarry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        return super().forward(carry, inputs.view(len(inputs), -1), puzzle_id)


@pytest.mark.parametrize(
    ("core", "sentence"),
    [
        (Counting, r"core 'gru': expected operations of ONNX, found .*\S"),
        (OfTwoRows, r"core 'gru': expected code for any number of rows, found .*"),
    ],
)
def test_a_core_that_is_no_graph_is_refused_with_the_reason(core: type[GRUCore], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        segment_graph(Segment(core(SHAPE, GRUConfig()), None))


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(DependencyNotInstalled, match=r"pip install 'hrm-gym\[onnx\]'"):
        export_onnx(load_pretrained("sudoku4x4", device="cpu"), tmp_path / "agent.onnx")
    assert not list(tmp_path.iterdir())
