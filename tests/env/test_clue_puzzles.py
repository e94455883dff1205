"""What all families hold whose generator keeps the clues that one solution needs, and that have few symmetries."""

from functools import cache

import numpy as np
import pytest
import torch

from hrm_env.puzzles import Puzzles
from hrm_env.task import PuzzleBatch
from hrm_env.tasks import make_task
from hrm_env.tasks.group import SmallGroupTask

SYMMETRIES = {"takuzu:4x4": 16, "takuzu:6x6": 16, "futoshiki:4x4": 16, "futoshiki:5x5": 16, "nonogram:5x5": 8}
WITH_DIGITS = [name for name in SYMMETRIES if not name.startswith("nonogram")]  # a nonogram begins with blanks alone
EASY_ONLY = "takuzu:4x4"  # hardly any puzzle of this size needs a guess
RATED = {"takuzu:6x6": (2, 4), "futoshiki:5x5": (1, 3), "nonogram:10x10": (1, 3)}


def family(name: str) -> SmallGroupTask:
    task = make_task(name)
    assert isinstance(task, SmallGroupTask)
    return task


@cache
def made(name: str, low: int = 0, high: int | None = None) -> Puzzles:
    generate = getattr(family(name), "generate")  # noqa: B009  # its options are not those of every task
    puzzles = generate(12, np.random.default_rng(0), min_rating=low, max_rating=high)
    assert isinstance(puzzles, Puzzles)
    return puzzles


@pytest.mark.parametrize("name", SYMMETRIES)
def test_generated_puzzles_have_one_solution(name: str) -> None:
    task, puzzles = family(name), made(name)
    batch = PuzzleBatch.of(puzzles)
    assert task.count_solutions(puzzles.inputs).tolist() == [1] * 12
    assert task.check(batch.inputs, batch.solution).all()
    assert (puzzles.solution != task.blank_id).all()


@pytest.mark.parametrize("name", WITH_DIGITS)
def test_generated_puzzles_need_every_clue_in_a_cell_to_fill(name: str) -> None:
    task, puzzles = family(name), made(name)
    clues = {task.alphabet.index(char) + 1 for char in "0123456789" if char in task.alphabet}
    for puzzle in puzzles.inputs:
        cells = np.flatnonzero(np.isin(puzzle, list(clues)))
        without = np.repeat(puzzle[None], len(cells), axis=0)
        without[np.arange(len(cells)), cells] = task.blank_id
        assert (task.count_solutions(without) == 2).all()


@pytest.mark.parametrize("name", SYMMETRIES)
def test_the_group_holds_every_symmetry_once_and_its_inverse(name: str) -> None:
    group = family(name).group
    pairs = {(tuple(cells), tuple(tokens)) for cells, tokens in zip(*map(torch.Tensor.tolist, group), strict=True)}
    assert len(pairs) == len(group.cells) == SYMMETRIES[name]
    inverse = group.inverse()
    assert pairs == {(tuple(c), tuple(t)) for c, t in zip(*map(torch.Tensor.tolist, inverse), strict=True)}


@pytest.mark.parametrize("name", SYMMETRIES)
def test_every_symmetry_keeps_the_rules_the_count_and_the_key(name: str) -> None:
    task, puzzles = family(name), made(name)
    batch = PuzzleBatch.of(puzzles)
    for cells, tokens in zip(*task.group, strict=True):
        inputs, solution = tokens[batch.inputs[:, cells]], tokens[batch.solution[:, cells]]
        assert task.check(inputs, solution).all()
        variant = inputs.numpy().astype(np.uint8)
        assert task.count_solutions(variant).tolist() == [1] * 12
        assert np.array_equal(task.symmetry_key(variant), task.symmetry_key(puzzles.inputs))


@pytest.mark.parametrize("name", SYMMETRIES)
def test_augmentation_reaches_the_whole_group(name: str) -> None:
    task = family(name)
    drawn = task.symmetries(2000, torch.Generator().manual_seed(0))
    pairs = zip(*map(torch.Tensor.tolist, drawn), strict=True)
    _, counts = np.unique([str(pair) for pair in pairs], return_counts=True)
    assert len(counts) == SYMMETRIES[name]
    assert counts.min() > 2000 / SYMMETRIES[name] / 2


@pytest.mark.parametrize("name", RATED)
def test_puzzles_of_wanted_ratings(name: str) -> None:
    low, high = RATED[name]
    puzzles = made(name, low, high)
    assert len(puzzles) == 12
    assert low <= puzzles.rating.min()
    assert puzzles.rating.max() <= high
    assert (made(name, 0, 0).rating == 0).all()


def test_ratings_that_no_puzzle_has_are_refused() -> None:
    with pytest.raises(ValueError, match="min_rating, max_rating: only 0 of 2048 puzzles have a rating of at least 9"):
        made(EASY_ONLY, 9)
    with pytest.raises(ValueError, match="max_rating: expected at least min_rating, which is 2, found 1"):
        made(EASY_ONLY, 2, 1)
    with pytest.raises(ValueError, match="min_rating: expected an integer from 0 to 20, found 21"):
        made(EASY_ONLY, 21)
