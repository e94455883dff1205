"""The formula counts exactly what torch counts of the same computation."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import pytest
import torch
from agents import HRM_SHAPED, hrm_core, small_puzzle, tiny_core
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hrm_agent import halting
from hrm_agent.config import Bootstrap, Gradient, LearnerConfig, Mixer
from hrm_agent.cores import PuzzleShape
from hrm_agent.cores.flops import segment_flops, training_flops
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.learning.learner import Learner
from hrm_env.task import PuzzleBatch

BATCH = 3
NETWORKS = list(product(HRM_SHAPED, get_args(Mixer)))


def core_of(name: str, mixer: str, **options: Any) -> HRMCore:
    shape, needed = small_puzzle(mixer)
    sizes: dict[str, Any] = {"hidden_size": 16, "h_cycles": 2, "l_cycles": 3, "puzzle_positions": 2}
    return hrm_core(tiny_core(name, shape=shape, **sizes | options | needed))


def puzzles(core: HRMCore) -> PuzzleBatch:
    tokens = torch.ones(BATCH, core.shape.seq_len, dtype=torch.long)
    return PuzzleBatch(tokens, tokens, torch.zeros(BATCH, dtype=torch.long))


@pytest.mark.parametrize("positions", [0, 1, 4])
@pytest.mark.parametrize(("name", "mixer"), NETWORKS)
def test_a_segment_costs_what_torch_counts(name: str, mixer: str, positions: int) -> None:
    core = core_of(name, mixer, puzzle_positions=positions)
    batch = puzzles(core)
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad(), FlopCounterMode(display=False) as counter:
        core(core.initial_carry(BATCH), batch.inputs, batch.puzzle_id)
    assert segment_flops(core, BATCH) == counter.get_total_flops() > 0


@pytest.mark.parametrize("bootstrap", get_args(Bootstrap))
@pytest.mark.parametrize("gradient", get_args(Gradient))
@pytest.mark.parametrize(("name", "mixer"), NETWORKS)
def test_a_training_step_costs_what_torch_counts(name: str, mixer: str, gradient: str, bootstrap: Bootstrap) -> None:
    core = core_of(name, mixer, gradient=gradient)
    batch = puzzles(core)
    config = LearnerConfig(optimizer="adamw", q_bootstrap=bootstrap)
    learner = Learner(core, halting.make("fixed:8"), 8, config)
    segment = torch.zeros(BATCH, dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH):
        carry = learner.step(core.initial_carry(BATCH), batch, segment).carry  # a first step has nothing to go back to
        with FlopCounterMode(display=False) as counter:
            learner.step(carry, batch, segment + 1)
    assert training_flops(core, BATCH, bootstrap) == counter.get_total_flops()


def test_a_depth_curriculum_costs_what_its_cycles_cost() -> None:
    shallow, deep = core_of("hrm", "mlp", h_cycles=1, l_cycles=2), core_of("hrm", "mlp", h_cycles=3, l_cycles=4)
    deep.cycles = (1, 2)
    assert segment_flops(deep, BATCH) == segment_flops(shallow, BATCH)
    assert training_flops(deep, BATCH) == training_flops(shallow, BATCH)


def test_the_paper_s_core_on_sudoku() -> None:
    core = hrm_core(tiny_core(shape=PuzzleShape(81, 11), hidden_size=512, num_heads=8, h_layers=4, l_layers=4))
    block = 2 * 82 * (3 * 512 * 512 + 512 * 512 + 3 * 512 * 1536) + 4 * 82 * 82 * 512
    assert segment_flops(core, 1) == 6 * 4 * block + 2 * (81 * 11 * 512 + 2 * 512)
