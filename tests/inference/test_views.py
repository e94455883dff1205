"""Views of a puzzle: what is shown, that answers come back, and the noise they think from."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from hrm_agent.cores import HRMCarry
from hrm_agent.inference.views import Views
from hrm_env.task import PuzzleBatch
from hrm_env.tasks import make_task
from hrm_env.tasks.maze.task import Maze
from hrm_env.tasks.sudoku.task import Sudoku


@cache
def puzzles(name: str, count: int = 3) -> PuzzleBatch:
    return PuzzleBatch.of(make_task(name).generate(count, np.random.default_rng(0)))


def carry(rows: int) -> HRMCarry:
    return HRMCarry(torch.zeros(rows, 3, 2), torch.ones(rows, 3, 2))


@pytest.mark.parametrize(("name", "count"), [("sudoku:2x3", 5), ("maze:6x6", 8), ("maze:4x7", 4)])
def test_views_are_different_puzzles_with_the_same_solution(name: str, count: int) -> None:
    task, batch = make_task(name), puzzles(name)
    views = Views(count, task)
    shown, solved = views.show(batch.inputs), views.show(batch.solution)
    assert shown.shape == (3 * count, task.spec.seq_len)
    assert task.check(shown, solved).all()
    assert torch.equal(shown[::count], batch.inputs)  # view 0 is the puzzle itself
    own = shown.view(3, count, -1)
    assert all(len(set(map(tuple, one.tolist()))) == count for one in own)
    assert torch.equal(views.restore(solved), batch.solution.unsqueeze(1).expand(-1, count, -1))


def test_the_same_for_every_puzzle_batch_and_run() -> None:
    task, inputs = Sudoku(2, 3), puzzles("sudoku:2x3").inputs
    shown = Views(4, task).show(inputs)
    assert torch.equal(Views(4, task).show(inputs[1:2]), shown[4:8])
    assert not torch.equal(Views(4, task, seed=1).show(inputs), shown)


def test_fewer_views_are_the_first_of_more() -> None:
    task, inputs = Sudoku(2, 3), puzzles("sudoku:2x3").inputs
    few, many = Views(2, task, noise=0.5), Views(6, task, noise=0.5)
    assert torch.equal(few.show(inputs).view(3, 2, -1), many.show(inputs).view(3, 6, -1)[:, :2])
    noisy_few = few.perturb(carry(6), torch.ones(6, dtype=torch.bool))
    noisy_many = many.perturb(carry(18), torch.ones(18, dtype=torch.bool))
    for one, other in zip(noisy_few, noisy_many, strict=True):
        assert torch.equal(one.view(3, 2, 3, 2), other.view(3, 6, 3, 2)[:, :2])


def test_noise_on_the_start_of_all_views_but_the_first() -> None:
    views, start = Views(3, None, noise=0.5), torch.tensor([True, True, True, False, False, False, True, True, True])
    z_h, z_l = views.perturb(carry(9), start)
    for state, before in ((z_h, 0.0), (z_l, 1.0)):
        assert (state[[0, 6]] == before).all()
        assert (state[3:6] == before).all()
        assert (state[[1, 2, 7, 8]] != before).all()
        assert torch.equal(state[1:3], state[7:9])
        assert not torch.equal(state[1], state[2])
    assert not torch.equal(z_h[1], z_l[1] - 1)
    again = Views(3, None, noise=0.5).perturb(carry(9), start)
    assert torch.equal(again.z_h, z_h)


def test_noise_has_its_standard_deviation() -> None:
    wide = HRMCarry(torch.zeros(2, 100, 100), torch.zeros(2, 100, 100))
    noisy = Views(2, None, noise=0.3).perturb(wide, torch.ones(2, dtype=torch.bool))
    assert float(noisy.z_h[1].std()) == pytest.approx(0.3, rel=0.03)
    assert float(noisy.z_h[1].mean()) == pytest.approx(0, abs=0.01)


def test_the_noise_has_the_type_of_the_hidden_state() -> None:
    half = HRMCarry(*(state.bfloat16() for state in carry(2)))
    assert Views(2, None, noise=0.1).perturb(half, torch.ones(2, dtype=torch.bool)).z_h.dtype == torch.bfloat16


@pytest.mark.parametrize("views", [Views(1, None), Views(1, Sudoku(2, 3), noise=1.0), Views(1, Maze(6, 6))])
def test_one_view_is_the_puzzle(views: Views) -> None:
    tokens, state = torch.arange(8).view(2, 4), carry(2)
    assert torch.equal(views.show(tokens), tokens)
    assert torch.equal(views.restore(tokens), tokens.unsqueeze(1))
    assert views.perturb(state, torch.ones(2, dtype=torch.bool)) is state


def test_without_noise_a_symmetric_state_is_left_alone() -> None:
    state = carry(4)
    assert Views(2, Sudoku(2, 3)).perturb(state, torch.ones(4, dtype=torch.bool)) is state


@pytest.mark.parametrize(
    ("name", "count", "known"), [("copy:4x4", 2, 0), ("arc:6x6", 3, 0), ("maze:6x6", 9, 7), ("maze:4x7", 5, 3)]
)
def test_too_few_symmetries_ask_for_noise(name: str, count: int, known: int) -> None:
    with pytest.raises(ValueError, match=f"views: {name} has {known} symmetries .* noise for {count} views") as caught:
        Views(count, make_task(name))
    assert "\n" not in str(caught.value)
    views = Views(count, make_task(name), noise=0.1)
    inputs: Tensor = puzzles(name, 1).inputs
    assert len({tuple(row) for row in views.show(inputs).tolist()}) <= known + 1
    start = torch.ones(count, dtype=torch.bool)
    assert len({tuple(row) for row in views.perturb(carry(count), start).z_h.flatten(1).tolist()}) == count


def test_an_unknown_task_asks_for_noise() -> None:
    with pytest.raises(ValueError, match="views: this puzzle has 0 symmetries"):
        Views(2, None)
