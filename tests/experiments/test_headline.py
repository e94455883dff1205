"""The presets of the headline run, and what they are worth on paper (docs/headline.md)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hrm_agent.config import LearnerConfig
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.cores.flops import training_flops
from hrm_agent.cores.hrm import HRMCore
from train.environments import training_and_test_env
from train.presets import PRESETS, Fit

FAST = PRESETS["sudoku-extreme-1k-fast"]


def core_of(options: Fit) -> HRMCore:
    """The network of a preset on 9x9 Sudoku, without memory."""
    with torch.device("meta"):
        core = make_core(PuzzleShape(81, 11, 1), options.core.name, **vars(options.core))
    assert isinstance(core, HRMCore)
    return core


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


def test_a_momentum_of_one_never_forgets() -> None:
    with pytest.raises(ValueError, match=r"^muon_momentum: expected a number from 0 to below 1, found 1\.0$"):
        LearnerConfig(muon_momentum=1.0)
