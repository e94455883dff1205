"""Tasks with generators of reasoning-gym: our rules against its verifiers, and puzzles by hand."""

from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import hrm_env
from hrm_env.puzzles import Puzzles
from hrm_env.tasks import make_task
from hrm_env.tasks.reasoning_gym.adapter import Entry, ReasoningGymTask
from hrm_env.tasks.reasoning_gym.distances import RGDistances
from hrm_env.tasks.reasoning_gym.queens import RGQueens
from hrm_env.testing import check_task

pytest.importorskip("reasoning_gym", reason="the extra reasoning-gym is not installed")
NAMES = ["rg_sudoku:4x4", "rg_sudoku:9x9", "rg_futoshiki:4x4", "rg_queens:8x8", "rg_distances:5x5"]
ENTRIES, ANSWERS = 20, 500


def family(name: str) -> ReasoningGymTask:
    task = make_task(name)
    assert isinstance(task, ReasoningGymTask)
    return task


@cache
def entries_of(name: str) -> list[Entry]:
    return family(name).entries(ENTRIES, np.random.default_rng(0))


def answers_of(task: ReasoningGymTask, puzzles: Puzzles, rng: np.random.Generator) -> np.ndarray:
    """Right and wrong answers, (E, A, L): solutions, some of other puzzles, with a few cells changed."""
    answers = np.repeat(puzzles.solution[:, None], ANSWERS, axis=1)
    others = rng.integers(len(puzzles), size=answers.shape[:2])
    answers[:, ::5] = puzzles.solution[others[:, ::5]]
    for row in answers.reshape(-1, answers.shape[2]):  # a view
        for cell, other in rng.integers(len(row), size=(rng.integers(3), 2)):
            row[cell], row[other] = row[other], row[cell]
        for cell in rng.integers(len(row), size=rng.integers(3)):
            row[cell] = rng.integers(task.spec.vocab_size)
    return answers


@pytest.mark.parametrize("name", NAMES)
def test_its_verifier_agrees_with_ours_on_10_000_answers(name: str) -> None:
    task, entries = family(name), entries_of(name)
    puzzles = task.puzzles_of(entries)
    answers = answers_of(task, puzzles, np.random.default_rng(1))
    inputs = torch.from_numpy(puzzles.inputs).long().repeat_interleave(ANSWERS, 0)
    ours = task.check(inputs, torch.from_numpy(answers).long().flatten(0, 1)).reshape(len(entries), ANSWERS).tolist()
    theirs = [[task.score(entry, answer) == 1 for answer in row] for entry, row in zip(entries, answers, strict=True)]
    assert ours == theirs
    right = np.mean(ours)
    assert answers[..., 0].size == 10_000
    assert 0.1 < right < 0.6


def test_every_solution_of_a_board_is_right() -> None:
    task = family("rg_queens:8x8")
    shared = 0
    for entry in entries_of("rg_queens:8x8"):
        inputs, _ = task.tokens_of(entry)
        boards = [np.where(np.array(board).ravel() == "Q", 3, 2) for board in entry["metadata"]["solutions"]]
        answers = torch.from_numpy(np.stack(boards))
        question = torch.from_numpy(inputs).long().expand(len(boards), -1)
        assert task.check(question, answers).all()
        shared += len(boards) > 1
    assert shared > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_every_task_holds(name: str) -> None:
    check_task(family(name), count=6)


@pytest.mark.parametrize("name", ["rg_sudoku:4x4", "rg_sudoku:9x9", "rg_futoshiki:4x4"])
def test_puzzles_with_digits_have_one_solution(name: str) -> None:
    task = family(name)
    puzzles = task.puzzles_of(entries_of(name))
    assert task.count_solutions(puzzles.inputs).tolist() == [1] * ENTRIES
    assert puzzles.rating.tolist() == (puzzles.inputs == task.blank_id).sum(1).tolist()


def test_options_are_those_of_the_data_set() -> None:
    def made(name: str, **options: Any) -> Puzzles:
        generate = getattr(make_task(name), "generate")  # noqa: B009  # its options are not those of every task
        puzzles = generate(5, np.random.default_rng(0), **options)
        assert isinstance(puzzles, Puzzles)
        return puzzles

    assert made("rg_sudoku:4x4", max_empty=5).rating.max() <= 5
    assert made("rg_queens:5x5", min_remove=4, max_remove=4).rating.tolist() == [24] * 5
    assert made("rg_distances:4x4", p_zero=1).rating.tolist() == [0] * 5
    no_sign = len(make_task("rg_futoshiki:5x5").alphabet)
    few, many = (made("rg_futoshiki:5x5", **{name: d}) for name, d in (("max_difficulty", 0), ("min_difficulty", 3)))
    assert (few.inputs == no_sign).sum() > (many.inputs == no_sign).sum()
    with pytest.raises(ValueError, match="max_remove: expected an integer from 1 to 5, found 6"):
        made("rg_queens:5x5", max_remove=6)
    with pytest.raises(ValueError, match="min_empty: expected an integer from 0 to 12, found 13"):
        made("rg_sudoku:4x4", min_empty=13)


def test_an_environment() -> None:
    hrm_env.register("HRM-RGQueens-v0", "rg_queens:5x5", reward="rules", num_puzzles=8)
    try:
        env = gym.make_vec("HRM-RGQueens-v0", num_envs=4, split="test", order="once")
        observation, info = env.reset(seed=0)
        action = hrm_env.pack_action(torch.from_numpy(info["solution"]), torch.ones(4)).numpy()
        assert observation["inputs"].shape == (4, 25)
        assert env.step(action)[1].tolist() == [1.0] * 4
    finally:
        del gym.registry["HRM-RGQueens-v0"]


def test_queens_by_hand() -> None:
    task = RGQueens(4, 4)
    question, right = task.encode("." * 4 + "...Q" + "." * 8), task.encode("-Q-----QQ-----Q-")
    attacked = task.encode("Q------QQ-----Q-")
    batch = torch.from_numpy(np.stack([question] * 3)).long()
    blank_left = right.copy()
    blank_left[0] = 1
    answers = torch.from_numpy(np.stack([right, attacked, blank_left])).long()
    assert task.check(batch, answers).tolist() == [True, False, False]
    assert not task.conflicts(right).any()
    assert np.flatnonzero(task.conflicts(attacked)).tolist() == [0, 8]
    assert np.flatnonzero(task.conflicts(task.encode("Q....Q.........."))).tolist() == [0, 5]


def test_distances_by_hand() -> None:
    task = RGDistances(3, 3)
    question, right = task.encode("0........"), task.encode("012123234")
    too_far = task.encode("012124234")
    batch = torch.from_numpy(np.stack([question] * 2)).long()
    assert task.check(batch, torch.from_numpy(np.stack([right, too_far])).long()).tolist() == [True, False]
    assert not task.conflicts(right).any()
    assert np.flatnonzero(task.conflicts(too_far)).tolist() == [2, 4, 5]


@pytest.mark.parametrize(
    ("name", "message"),
    {
        "rg_sudoku:6x6": "RGSudoku: expected 4x4 or 9x9 cells, found 6x6",
        "rg_futoshiki:3x3": "RGFutoshiki: expected n×n digits with n from 4 to 9, found 3x3",
        "rg_queens:8x9": "RGQueens: expected n×n cells with n from 4 to 12, found 8x9",
        "rg_distances:11x11": "RGDistances: expected n×n cells with n from 3 to 10, found 11x11",
    }.items(),
)
def test_other_sizes_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_task(name)
