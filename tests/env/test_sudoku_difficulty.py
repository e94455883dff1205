"""Sudoku by difficulty: what the rating counts, how it agrees with tdoku's, and puzzles of wanted ratings."""

from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from benchmarks.sudoku_rating import tenths
from hrm_agent.study.ranks import spearman
from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.tasks.sudoku.propagation import restrict
from hrm_env.tasks.sudoku.task import Sudoku

WANTED: list[tuple[tuple[int, int], dict[str, int]]] = [
    ((2, 3), {"min_rating": 1, "max_rating": 1}),
    ((2, 3), {"min_rating": 1, "clues": 11}),
    ((3, 3), {"max_rating": 0}),
    ((3, 3), {"min_rating": 4}),
    ((3, 3), {"min_rating": 2, "max_rating": 3, "clues": 26}),
]


@cache
def made(size: tuple[int, int], options: tuple[tuple[str, int], ...], seed: int = 0) -> tuple[Sudoku, Puzzles]:
    task = Sudoku(*size)
    return task, task.generate(4, np.random.default_rng(seed), **dict(options))


@pytest.mark.parametrize(("size", "options"), WANTED)
def test_puzzles_have_the_wanted_rating_and_one_solution(size: tuple[int, int], options: dict[str, int]) -> None:
    task, puzzles = made(size, tuple(options.items()))
    result = task.solver.rate(puzzles.inputs - 1)
    assert len(puzzles) == 4
    assert (result.found == 1).all()
    assert np.array_equal(result.solution + 1, puzzles.solution)
    assert np.array_equal(result.guesses, puzzles.rating)
    assert (puzzles.rating >= options.get("min_rating", 0)).all()
    assert (puzzles.rating <= options.get("max_rating", 1000)).all()


@pytest.mark.parametrize(("size", "options"), WANTED)
def test_they_are_minimal_or_have_the_wanted_clues(size: tuple[int, int], options: dict[str, int]) -> None:
    task, puzzles = made(size, tuple(options.items()))
    given = puzzles.inputs > 1
    if "clues" in options:
        assert (given.sum(axis=1) == options["clues"]).all()
        return
    for puzzle in puzzles.inputs:
        cells = np.flatnonzero(puzzle > 1)
        without = np.repeat(puzzle[None], len(cells), axis=0)
        without[np.arange(len(cells)), cells] = 1
        assert (task.count_solutions(without) == 2).all()


def test_each_puzzle_has_a_grid_of_its_own() -> None:
    _, puzzles = made((3, 3), (("min_rating", 4),))
    assert len(np.unique(puzzles.solution, axis=0)) == len(puzzles)


def test_a_seed_names_the_same_puzzles() -> None:
    options = (("min_rating", 1), ("max_rating", 1))
    first, other = made((2, 3), options)[1], made((2, 3), options, seed=1)[1]
    made.cache_clear()
    again = made((2, 3), options)[1]
    assert np.array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)


def test_the_environment_takes_the_options() -> None:
    env: Any = gym.make("HRM-Sudoku6x6-v0", num_puzzles=4, min_rating=1, max_rating=1).unwrapped
    assert env.rules.puzzles.rating.tolist() == [1] * 4


BAD: list[tuple[dict[str, int], str]] = [
    ({"min_rating": -1}, "min_rating: expected an integer from 0 to 60, found -1"),
    ({"min_rating": 61}, "min_rating: expected an integer from 0 to 60, found 61"),
    ({"min_rating": 3, "max_rating": 2}, "max_rating: expected at least min_rating, which is 3, found 2"),
    ({"min_rating": 1}, "only 0 of 512 puzzles could be brought to a rating of at least 1; ask for"),
    ({"min_rating": 2, "max_rating": 5, "clues": 8}, "only 0 of 512 puzzles could be brought to a rating of 2 to 5"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_what_cannot_be_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sudoku(2, 2).generate(3, np.random.default_rng(0), **options)


def test_the_rating_is_zero_where_propagation_suffices() -> None:
    task = Sudoku()
    grids = task.solver.random_grids(3, np.random.default_rng(0))
    hardest = "800000000003600000070090200050007000000045700000100030001000068008500010090000400"
    assert task.solver.rate(np.where(np.arange(81) < 5, 0, grids)).guesses.tolist() == [0, 0, 0]
    assert task.solver.rate(np.array([[int(char) for char in hardest]])).guesses[0] > 20


def test_the_rating_does_not_depend_on_the_puzzles_rated_with_it() -> None:
    task, puzzles = made((3, 3), (("min_rating", 4),))
    digits = puzzles.inputs - 1
    alone = [int(task.solver.rate(row[None]).guesses[0]) for row in digits]
    assert task.solver.rate(np.repeat(digits, 5, axis=0)[::-1]).guesses[::-5].tolist() == alone


def test_bands_exclude_locked_candidates() -> None:
    """In 4x4 without 1 in the lower row of the first box, 1 stands in its upper row, not in that of the next box."""
    geometry = Sudoku(2, 2).solver.by_bands
    masks = np.full((1, 16), 0b1111)
    masks[0, [4, 5]] = 0b1110
    assert restrict(masks, 0, geometry.row_bands, geometry.row_ways, np.empty((2, 2), np.int64))
    assert masks[0].tolist() == [15, 15, 14, 14, 14, 14, 15, 15] + [15] * 8


def test_a_split_loses_no_solution_and_doubles_none() -> None:
    solver = Sudoku(2, 2).solver
    masks = solver.candidates(np.zeros((1, 16), dtype=np.uint8))
    found = [solver.search(masks, limit=1000, geometry=how).found[0] for how in (solver.by_cells, solver.by_bands)]
    assert found == [288, 288]  # all 4x4 grids


def test_tenths() -> None:
    assert np.bincount(tenths(np.arange(40))).tolist() == [4] * 10


def test_the_rating_ranks_real_puzzles_much_as_tdoku_does(shared_data: Path) -> None:
    task = Sudoku()
    puzzles = load_puzzles(task, str(shared_data / "sudoku" / "sudoku_extreme_1k_real.csv.gz"), rows=":300")
    assert spearman(task.solver.rate(puzzles.inputs - 1).guesses, puzzles.rating) > 0.8
