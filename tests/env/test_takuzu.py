"""Takuzu: solver and rules against a search by hand, and what drawings mark."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch

from hrm_env.tasks.takuzu.task import Takuzu


def obeys(rows: list[str]) -> bool:
    """The rules, written down a second time."""
    for lines in (rows, ["".join(column) for column in zip(*rows, strict=True)]):
        if len(set(lines)) < len(lines):
            return False
        if any("000" in line or "111" in line or line.count("0") != line.count("1") for line in lines):
            return False
    return True


def solutions(rows: list[str]) -> Iterator[list[str]]:
    """All solutions of a question, row by row."""
    choices = []
    for row in rows:
        ways = ("".join(way) for way in product(*("01" if char == "." else char for char in row)))
        choices.append([way for way in ways if way.count("0") == way.count("1") and "000" not in way])
    yield from (list(grid) for grid in product(*choices) if obeys(list(grid)))


def rows_of(task: Takuzu, tokens: np.ndarray) -> list[str]:
    text = task.decode(tokens)
    return [text[start : start + task.size] for start in range(0, len(text), task.size)]


def test_generated_puzzles_have_the_one_solution_that_a_search_by_hand_finds() -> None:
    task = Takuzu(4, 4)
    puzzles = task.generate(6, np.random.default_rng(0))
    for inputs, solution in zip(puzzles.inputs, puzzles.solution, strict=True):
        assert list(solutions(rows_of(task, inputs))) == [rows_of(task, solution)]


def test_counts_are_those_of_a_search_by_hand() -> None:
    task = Takuzu(4, 4)
    rng = np.random.default_rng(1)
    questions = rng.choice(np.array([1, 2, 3], np.uint8), (200, 16), p=[0.6, 0.2, 0.2])
    by_hand = [min(2, len(list(solutions(rows_of(task, row))))) for row in questions]
    assert task.count_solutions(questions).tolist() == by_hand
    assert set(by_hand) == {0, 1, 2}


def test_there_are_72_full_grids_of_4x4() -> None:
    """The check accepts as many of all 65,536 as the rules written a second time."""
    answers = torch.tensor(list(product((2, 3), repeat=16)))
    assert int(Takuzu(4, 4).satisfies_rules(answers, answers).sum()) == 72
    lines = [line for line in map("".join, product("01", repeat=4)) if line.count("1") == 2]
    assert sum(obeys(list(grid)) for grid in product(lines, repeat=4)) == 72


def test_rules_agree_with_those_written_a_second_time() -> None:
    task = Takuzu(6, 6)
    rng = np.random.default_rng(2)
    answers = np.repeat(task.generate(50, rng).solution, 6, axis=0)
    for row in answers[50:]:  # one or two swaps, which often keep the balance
        for _ in range(rng.integers(1, 3)):
            one, other = rng.integers(36, size=2)
            row[one], row[other] = row[other], row[one]
    answers[::40, 7] = rng.integers(0, 2)  # PAD or blank
    tokens = torch.as_tensor(answers).long()
    right = task.satisfies_rules(tokens, tokens).tolist()
    assert right == [obeys(rows_of(task, row)) and not {0, 1} & set(row.tolist()) for row in answers]
    assert 20 < sum(right) < 280


def test_a_puzzle_by_hand_and_its_conflicts() -> None:
    task = Takuzu(4, 4)
    question, right = task.encode("0..1" + "." * 12), task.encode("0011110001011010")
    inputs, answer = (torch.as_tensor(tokens).long()[None] for tokens in (question, right))
    assert task.check(inputs, answer).tolist() == [True]
    assert task.check(inputs, 5 - answer).tolist() == [False]  # zeros and ones swapped: the clues are lost
    assert not task.conflicts(right).any()
    three_ones = task.encode("111.............")
    assert np.flatnonzero(task.conflicts(three_ones)).tolist() == [0, 1, 2]
    equal_rows = task.encode("0011....0011....")
    assert np.flatnonzero(task.conflicts(equal_rows)).tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    too_many = task.encode("0...0.......0...")
    assert np.flatnonzero(task.conflicts(too_many)).tolist() == [0, 4, 12]


@pytest.mark.parametrize("size", [(5, 5), (4, 6), (2, 2), (16, 16)])
def test_other_sizes_are_refused(size: tuple[int, int]) -> None:
    message = f"Takuzu: expected n×n cells with an even n from 4 to 14, found {size[0]}x{size[1]}"
    with pytest.raises(ValueError, match=message):
        Takuzu(*size)
