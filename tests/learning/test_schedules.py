"""What changes over a run: the depth curriculum by exact values, and a run with it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents import CORE, SLOTS, every_puzzle_once, same, tiny_agent, tiny_core, weights

from hrm_agent import HRM
from hrm_agent.config import Depth, LearnerConfig
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.learning.learner import SegmentStep
from hrm_agent.learning.schedules import cycles_at, learning_rate_factor
from hrm_agent.sb3.callbacks import EvaluateCallback
from train.fit import parse


def reference_factor(current_step: int, num_warmup_steps: int, num_training_steps: int, min_ratio: float) -> float:
    """``cosine_schedule_with_warmup_lr_lambda`` of sapientinc/HRM for a base rate of 1; steps are counted from 1."""
    if current_step < num_warmup_steps:
        return current_step / max(1, num_warmup_steps)
    progress = (current_step - num_warmup_steps) / max(1, num_training_steps - num_warmup_steps)
    return min_ratio + max(0.0, (1 - min_ratio) * 0.5 * (1 + math.cos(math.pi * progress)))


@pytest.mark.parametrize("min_ratio", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("warmup", [0, 1, 3, 10])
def test_rates_are_the_references_and_end_at_the_smallest(warmup: int, min_ratio: float) -> None:
    rates = [learning_rate_factor(step, warmup, 10, min_ratio) for step in range(10)]
    assert rates == pytest.approx([reference_factor(step, warmup, 10, min_ratio) for step in range(1, 11)], abs=1e-15)
    assert rates[-1] == (1 if warmup == 10 else pytest.approx(min_ratio, abs=1e-15))
    assert learning_rate_factor(99, warmup, 10, min_ratio) == pytest.approx(min_ratio)


CGAR: Depth = ((0.0, 1, 2), (0.3, 2, 4), (0.6, 3, 6))
DEEP = {**CORE, "h_cycles": 3, "l_cycles": 6}


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, (1, 2)), (0.299, (1, 2)), (0.3, (2, 4)), (0.599, (2, 4)), (0.6, (3, 6)), (1.0, (3, 6)), (1.7, (3, 6))],
)
def test_cycles_are_those_of_the_last_stage_that_has_begun(progress: float, expected: tuple[int, int]) -> None:
    assert cycles_at(CGAR, progress) == expected


@pytest.mark.parametrize(
    "depth",
    [
        ((0.1, 1, 2),),
        ((0.0, 1, 2), (0.5, 2, 2), (0.5, 3, 3)),
        ((0.0, 1, 2), (0.5, 2, 2), (0.2, 3, 3)),
        ((0.0, 1, 2), (1.0, 2, 2)),
        ((0.0, 0, 2),),
        ((0.0, 1, 1.5),),
        ((0.0, 1),),
        ((float("nan"), 1, 1),),
        3,
        "012",
    ],
)
def test_what_is_no_curriculum_is_one_clear_sentence(depth: Any) -> None:
    with pytest.raises(ValueError, match=r"^depth: expected stages \(share of the run, N, T\) [^\n]*, found "):
        LearnerConfig(depth=depth)


def test_lists_of_json_and_the_command_line_give_the_same_curriculum() -> None:
    lists: Any = [list(stage) for stage in CGAR]
    assert LearnerConfig(depth=lists).depth == CGAR
    words = [str(number) for stage in CGAR for number in stage]
    assert parse(["--depth", *words], "fit").learner.depth == CGAR


def test_the_last_stage_is_the_full_depth() -> None:
    with pytest.raises(ValueError, match=r"^depth: expected the last stage to be .* \(2, 2\), found \(3, 6\)$"):
        tiny_agent(depth=CGAR)


def test_a_core_computes_as_many_cycles_as_it_is_told() -> None:
    core, shallow = tiny_core(h_cycles=3, l_cycles=6), tiny_core(h_cycles=1, l_cycles=2)
    assert isinstance(core, HRMCore)
    core.cycles = (1, 2)
    inputs, puzzle_id = torch.ones(2, 6, dtype=torch.long), torch.zeros(2, dtype=torch.long)
    found, expected = (c(c.initial_carry(2), inputs, puzzle_id) for c in (core, shallow))
    assert torch.equal(found.logits, expected.logits)


def seen_depths(model: HRM, updates: int, callback: Any = None) -> list[tuple[Any, Any]]:
    """The cycles of the core and of its average at every update."""
    depths = []
    step = model.learner.step

    def noting(*arguments: Any) -> SegmentStep:
        depths.append((model.policy.core.cycles, model.policy.acting_core.cycles))
        return step(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.learner, "step", noting)
        model.learn(updates * model.n_envs, callback)
    return depths


def test_training_grows_deeper_and_the_average_with_it() -> None:
    model = tiny_agent(depth=CGAR, policy_kwargs=DEEP)
    before = weights(model)
    stages = [(1, 2)] * 3 + [(2, 4)] * 3 + [(3, 6)] * 4
    assert seen_depths(model, 10) == [(stage, stage) for stage in stages]
    assert not same(weights(model), before)


def test_a_sweep_within_a_curriculum_is_of_the_agent_that_is_loaded(tmp_path: Path) -> None:
    model = tiny_agent(depth=((0.0, 1, 1), (0.9, 3, 6)), policy_kwargs=DEEP)
    sweeps = EvaluateCallback(every_puzzle_once(), 2, best_path=tmp_path / "best")
    logits: list[Any] = []
    sweeps.listeners.append(lambda evaluation: logits.append(evaluation.q_halt))
    stages = seen_depths(model, 3, sweeps)
    assert stages == [((1, 1), (1, 1))] * 3  # a sweep changes nothing of the training around it
    loaded = HRM.load(tmp_path / "best", device="cpu")
    assert np.array_equal(loaded.evaluate(every_puzzle_once()).q_halt, logits[0])


def test_a_loaded_agent_has_full_depth_and_its_curriculum(tmp_path: Path) -> None:
    model = tiny_agent(depth=CGAR, policy_kwargs=DEEP)
    model.learner.set_progress(0.0)
    assert model.policy.acting_core.cycles == (1, 2)
    model.save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu")
    assert loaded.policy.core.cycles == loaded.policy.acting_core.cycles == (3, 6)
    assert loaded.config.learner.depth == CGAR


def test_a_curriculum_learns_the_copy_task(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_agent(depth=((0.0, 1, 1), (0.5, 2, 2))).learn(16 * 100)
    step, steps = model.learner.step, list[SegmentStep]()

    def noting(*arguments: Any) -> SegmentStep:
        steps.append(step(*arguments))
        return steps[-1]

    monkeypatch.setattr(model.learner, "step", noting)
    model.learn(16, reset_num_timesteps=False)
    assert float(steps[0].metrics["answer_loss"]) < 0.5 * torch.log(torch.tensor(5.0))
    assert model.n_envs == SLOTS
