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
    given, solved = views.show(batch.inputs), views.show(batch.solution)
    assert given.shape == (3 * count, task.spec.seq_len)
    assert task.check(given, solved).all()
    assert torch.equal(given[::count], batch.inputs)  # view 0 is the puzzle itself
    own = given.view(3, count, -1)
    assert all(len(set(map(tuple, one.tolist()))) == count for one in own)
    assert torch.equal(views.restore(solved), batch.solution.unsqueeze(1).expand(-1, count, -1))


def test_the_same_for_every_puzzle_batch_and_run() -> None:
    task, inputs = Sudoku(2, 3), puzzles("sudoku:2x3").inputs
    four = Views(4, task).show(inputs)
    assert torch.equal(Views(4, task).show(inputs[1:2]), four[4:8])
    assert not torch.equal(Views(4, task, seed=1).show(inputs), four)


def shown(rows: int, length: int = 4) -> Tensor:
    """Different puzzles, one for each row."""
    return torch.arange(rows * length).view(rows, length)


def everywhere(rows: int) -> Tensor:
    return torch.ones(rows, dtype=torch.bool)


def segment(number: int, rows: int) -> Tensor:
    return torch.full((rows,), number)


def test_fewer_views_are_the_first_of_more() -> None:
    task, inputs = Sudoku(2, 3), puzzles("sudoku:2x3").inputs
    few, many = (Views(count, task, noise=0.5, segment_noise=0.2) for count in (2, 6))
    few_shown, many_shown = few.show(inputs), many.show(inputs)
    assert torch.equal(few_shown.view(3, 2, -1), many_shown.view(3, 6, -1)[:, :2])
    for noisy_few, noisy_many in (
        (few.begin(carry(6), few_shown, everywhere(6)), many.begin(carry(18), many_shown, everywhere(18))),
        (few.disturb(carry(6), few_shown, segment(2, 6)), many.disturb(carry(18), many_shown, segment(2, 18))),
    ):
        for one, other in zip(noisy_few, noisy_many, strict=True):
            assert torch.equal(one.view(3, 2, 3, 2), other.view(3, 6, 3, 2)[:, :2])
        assert not torch.equal(noisy_few.z_h[1], carry(1).z_h[0])


def test_noise_on_the_start_of_all_views_but_the_first() -> None:
    views, start = Views(3, None, noise=0.5), torch.tensor([True, True, True, False, False, False, True, True, True])
    tokens = shown(3)[[0, 1, 0]].repeat_interleave(3, 0)  # the first puzzle stands in the batch twice
    z_h, z_l = views.begin(carry(9), tokens, start)
    for state, before in ((z_h, 0.0), (z_l, 1.0)):
        assert (state[[0, 6]] == before).all()
        assert (state[3:6] == before).all()
        assert (state[[1, 2, 7, 8]] != before).all()
        assert torch.equal(state[1:3], state[7:9])
        assert not torch.equal(state[1], state[2])
    assert not torch.equal(z_h[1], z_l[1] - 1)
    again = Views(3, None, noise=0.5).begin(carry(9), tokens, start)
    assert torch.equal(again.z_h, z_h)
    assert not torch.equal(Views(3, None, noise=0.5, seed=1).begin(carry(9), tokens, start).z_h, z_h)


def test_noise_in_later_segments_is_new_in_each() -> None:
    views, tokens = Views(2, None, segment_noise=0.5), shown(2).repeat_interleave(2, 0)
    assert views.begin(carry(4), tokens, everywhere(4)).z_h.eq(0).all()
    one, two, three = (views.disturb(carry(4), tokens, segment(number, 4)).z_h for number in (1, 2, 3))
    assert (one == 0).all()
    assert (two[::2] == 0).all()
    assert not torch.equal(two[1], three[1])
    assert not torch.equal(two[1], two[3])
    mixed = views.disturb(carry(4), tokens, torch.tensor([2, 2, 3, 3])).z_h
    assert torch.equal(mixed[1], two[1])
    assert torch.equal(mixed[3], three[3])


def test_a_random_start_replaces_the_start_state() -> None:
    far = HRMCarry(torch.full((4, 3, 2), 1e6), torch.full((4, 3, 2), 1e6))
    tokens = shown(2).repeat_interleave(2, 0)
    drawn = Views(2, None, random_start=1.0).begin(far, tokens, torch.tensor([True, True, True, False])).z_h
    assert (drawn[[0, 2, 3]] == 1e6).all()
    assert drawn[1].abs().max() < 6
    assert torch.equal(Views(2, None, random_start=1.0).disturb(far, tokens, segment(2, 4)).z_h, far.z_h)


@pytest.mark.parametrize("rows", [torch.tensor([5, 4, 1, 0]), torch.arange(2, 6)])
def test_noise_does_not_depend_on_the_batch(rows: Tensor) -> None:
    views = Views(2, None, noise=0.5, segment_noise=0.5)
    tokens = shown(3).repeat_interleave(2, 0)
    order = rows.view(-1, 2).sort().values.flatten()
    whole, part = (views.begin(carry(len(x)), x, everywhere(len(x))).z_h for x in (tokens, tokens[order]))
    assert torch.equal(whole[order], part)
    later = views.disturb(carry(6), tokens, segment(4, 6)).z_h
    assert torch.equal(later[order], views.disturb(carry(4), tokens[order], segment(4, 4)).z_h)


@pytest.mark.parametrize(("noise", "random_start"), [(0.3, 0), (0, 0.3), (0.18, 0.24)])
def test_noise_has_its_standard_deviation(noise: float, random_start: float) -> None:
    wide = HRMCarry(torch.zeros(64, 30, 30), torch.zeros(64, 30, 30))
    z_h, z_l = Views(2, None, noise, random_start=random_start).begin(wide, shown(64), everywhere(64))
    drawn = torch.stack([z_h[1::2], z_l[1::2]]).double()
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.02)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.005)
    assert float((drawn**4).mean() / 0.3**4) == pytest.approx(3, rel=0.1)  # Gaussian
    rows = drawn.transpose(0, 1).flatten(1)
    alike = torch.corrcoef(rows) - torch.eye(len(rows))
    assert float(alike.abs().max()) < 6 / rows.shape[1] ** 0.5  # rows are independent


def test_the_noise_has_the_type_of_the_hidden_state() -> None:
    half = HRMCarry(*(state.bfloat16() for state in carry(2)))
    assert Views(2, None, noise=0.1).begin(half, shown(2), everywhere(2)).z_h.dtype == torch.bfloat16


@pytest.mark.parametrize("views", [Views(1, None), Views(1, Sudoku(2, 3), 1.0, 1.0, 1.0), Views(1, Maze(6, 6))])
def test_one_view_is_the_puzzle(views: Views) -> None:
    tokens, state = torch.arange(8).view(2, 4), carry(2)
    assert torch.equal(views.show(tokens), tokens)
    assert torch.equal(views.restore(tokens), tokens.unsqueeze(1))
    assert views.begin(state, tokens, everywhere(2)) is state
    assert views.disturb(state, tokens, segment(2, 2)) is state


def test_without_noise_a_symmetric_state_is_left_alone() -> None:
    state = carry(4)
    views = Views(2, Sudoku(2, 3))
    assert views.begin(state, shown(4), everywhere(4)) is state
    assert views.disturb(state, shown(4), segment(2, 4)) is state


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
    noisy = views.begin(carry(count), views.show(inputs), everywhere(count))
    assert len({tuple(row) for row in noisy.z_h.flatten(1).tolist()}) == count
    assert Views(count, make_task(name), segment_noise=0.1).count == Views(count, None, random_start=1.0).count == count


def test_an_unknown_task_asks_for_noise() -> None:
    with pytest.raises(ValueError, match="views: this puzzle has 0 symmetries"):
        Views(2, None)
