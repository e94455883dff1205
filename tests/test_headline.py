"""The presets of the headline run, and what they are worth on paper (docs/headline.md)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.cores.flops import training_flops
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.learning.config import LearnerConfig
from hrm_env.sources import load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.tasks import make_task
from train.environments import test_arguments as arguments_of_test
from train.environments import training_and_test_env
from train.presets import PRESETS, Data, Fit

FAST = PRESETS["sudoku-extreme-1k-fast"]


def core_of(options: Fit) -> HRMCore:
    """The network of a preset on 9x9 Sudoku, without memory."""
    with torch.device("meta"):
        core = make_core(PuzzleShape(81, 11, 1), options.core.name, **vars(options.core))
    assert isinstance(core, HRMCore)
    return core


def puzzles_file(folder: Path, count: int) -> Path:
    task = make_task("sudoku:2x2")
    write_csv(task, folder / "puzzles.csv", load_puzzles(task, num_puzzles=count))
    return folder / "puzzles.csv"


def test_the_papers_hrm_but_for_where_its_puzzles_come_from() -> None:
    paper = PRESETS["sudoku9-paper"]
    assert replace(PRESETS["sudoku-extreme-1k"], preset=paper.preset, data=paper.data) == paper
    assert sum(weight.numel() for weight in core_of(paper).parameters()) == 27_275_266 + 512


def test_the_fast_one_has_five_million_parameters_and_even_products() -> None:
    core = core_of(FAST)
    assert sum(weight.numel() for weight in core.parameters()) == pytest.approx(4.9e6, rel=0.01)
    assert all(size % 8 == 0 for weight in core.l_module.parameters() for size in weight.shape)
    assert FAST.learner.depth[-1][1:] == core.cycles


def test_the_arithmetic_of_the_page() -> None:
    published = core_of(PRESETS["sudoku9-trm"])
    assert training_flops(published, 1) / 1e9 == pytest.approx(43, abs=0.5)
    assert training_flops(published, 768) / 1e12 == pytest.approx(33, abs=0.5)
    assert 25 * 60 * 400e12 / training_flops(published, 768) == pytest.approx(18_000, rel=0.02)


def test_a_preset_without_puzzles_says_so() -> None:
    with pytest.raises(ValueError, match=r"^--source: expected the puzzles to train on, .*, found none$"):
        training_and_test_env(FAST.data, 8, "cpu", 0)


def test_the_last_training_puzzles_are_held_out(tmp_path: Path) -> None:
    file = puzzles_file(tmp_path, 20)
    whole = load_puzzles(make_task("sudoku:2x2"), str(file))
    for data in (Data("HRM-Sudoku4x4-v0", str(file)), Data("HRM-Sudoku4x4-v0", str(file), test_source="no such file")):
        training, test = training_and_test_env(replace(data, held_out=6), 8, "cpu", 0)
        assert training.rules.puzzles.digest() == whole[:-6].digest()
        assert test.rules.puzzles.digest() == whole[-6:].digest()
    assert arguments_of_test(Data(source=str(file), held_out=6), 6) == ["--source", str(file), "--rows=-6:"]
    assert arguments_of_test(Data(source=str(file), test_source="hard.csv", held_out=6), 6) == ["--source", "hard.csv"]


@pytest.mark.parametrize("held_out", [0, 20, 21, -1])
def test_something_must_be_left_to_train_on(tmp_path: Path, held_out: int) -> None:
    data = Data("HRM-Sudoku4x4-v0", str(puzzles_file(tmp_path, 20)), held_out=held_out)
    with pytest.raises(ValueError, match=rf"^--held-out: expected 1 to 19 training puzzles, found {held_out}$"):
        training_and_test_env(data, 8, "cpu", 0)


def test_a_momentum_of_one_never_forgets() -> None:
    with pytest.raises(ValueError, match=r"^muon_momentum: expected from 0 to below 1, found 1\.0$"):
        LearnerConfig(muon_momentum=1.0)
