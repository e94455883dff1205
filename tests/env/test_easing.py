"""Easier puzzles out of hard ones: how many blanks stay, and that nothing else changes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from hrm_env.envs.easing import fill_in
from hrm_env.task import PuzzleBatch
from hrm_env.tasks.sudoku.task import Sudoku

ID = "HRM-Sudoku-v0"
TASK = Sudoku(3, 3)


@pytest.fixture(scope="module")
def puzzles() -> PuzzleBatch:
    made = TASK.generate(400, np.random.default_rng(0))
    return PuzzleBatch(
        torch.as_tensor(made.inputs).long(), torch.as_tensor(made.solution).long(), torch.zeros(400).long()
    )


def eased(puzzles: PuzzleBatch, bounds: tuple[float, float], share: float = 1.0) -> PuzzleBatch:
    return fill_in(puzzles, TASK.blank_id, bounds, share, torch.Generator().manual_seed(0))


def kept(before: PuzzleBatch, after: PuzzleBatch) -> torch.Tensor:
    """Share of each puzzle's blanks that are still blank, ``(B,)``."""
    blank = before.inputs == TASK.blank_id
    return ((after.inputs == TASK.blank_id) & blank).sum(-1) / blank.sum(-1)


def test_cells_are_filled_in_from_the_solution_and_givens_stay(puzzles: PuzzleBatch) -> None:
    after = eased(puzzles, (0.5, 0.5))
    blank = after.inputs == TASK.blank_id
    assert torch.equal(after.inputs[~blank], puzzles.solution[~blank])
    assert (puzzles.inputs[blank] == TASK.blank_id).all()
    assert torch.equal(after.solution, puzzles.solution)
    assert TASK.check(after.inputs, after.solution).all()


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_a_number_is_the_share_that_stays_blank(puzzles: PuzzleBatch, fraction: float) -> None:
    share = kept(puzzles, eased(puzzles, (fraction, fraction)))
    assert share.mean() == pytest.approx(fraction, abs=0.01)
    assert (share.std() > 0.01) == (0 < fraction < 1)


def test_bounds_spread_the_share_evenly(puzzles: PuzzleBatch) -> None:
    share = kept(puzzles, eased(puzzles, (0.2, 0.8)))
    assert share.mean() == pytest.approx(0.5, abs=0.03)
    assert (share < 0.35).float().mean() == pytest.approx(0.25, abs=0.07)


def test_only_the_given_share_of_puzzles_is_eased(puzzles: PuzzleBatch) -> None:
    untouched = (eased(puzzles, (0.5, 0.5), share=0.3).inputs == puzzles.inputs).all(-1)
    assert untouched.float().mean() == pytest.approx(0.7, abs=0.07)


def test_a_sweep_eases_the_same_cells_whatever_the_number_of_slots() -> None:
    options: dict[str, Any] = {"num_puzzles": 12, "split": "test", "blank_fraction": 0.05, "order": "once"}
    seen = []
    for slots in (12, 5):
        env = gym.make_vec("HRM-Sudoku4x4-v0", num_envs=slots, max_segments=1, **options)
        observation, info = env.reset(seed=slots)
        inputs: dict[int, tuple[int, ...]] = {}
        while len(inputs) < 12:
            inputs |= {int(i): tuple(row) for i, row in zip(info["index"], observation["inputs"], strict=True)}
            observation, *_, info = env.step(np.zeros(env.action_space.shape, dtype=np.int64))
        seen.append(inputs)
    assert seen[0] == seen[1]
    assert 0 < np.mean([row.count(1) for row in seen[0].values()]) < 2  # nearly finished


def test_easing_is_seeded() -> None:
    options: dict[str, Any] = {"num_puzzles": 12, "blank_fraction": 0.5}
    env = gym.make("HRM-Sudoku4x4-v0", **options)
    check_env(env.unwrapped)
    first, again, other = (env.reset(seed=seed, options={"index": 3})[0]["inputs"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    slots = gym.make_vec("HRM-Sudoku4x4-v0", num_envs=4, vectorization_mode="sync", **options)
    inputs = slots.reset(options={"index": 3})[0]["inputs"]  # unseeded, each slot draws on its own
    assert len({tuple(row) for row in inputs}) > 1


def test_every_draw_eases_anew_and_a_seed_repeats_it() -> None:
    def draws() -> list[tuple[int, ...]]:
        env = gym.make("HRM-Sudoku4x4-v0", num_puzzles=1, blank_fraction=(0, 1), order="sequential")
        env.reset(seed=3)
        return [tuple(env.reset()[0]["inputs"]) for _ in range(6)]

    assert len(set(draws())) > 3
    assert draws() == draws()
