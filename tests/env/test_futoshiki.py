"""Futoshiki: solver and rules against a search by hand, Latin squares, and what drawings mark."""

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pytest
import torch

from hrm_env.tasks.futoshiki.task import Futoshiki
from hrm_env.tasks.sudoku.task import Sudoku
from hrm_env.testing import check_task


def holds(signs: list[str], digits: list[str]) -> bool:
    """The rules, written down a second time: the question's rows of text, and n rows of n digits."""
    n = len(digits)
    if any(sorted(line) != sorted("123456789"[:n]) for line in (*digits, *map("".join, zip(*digits, strict=True)))):
        return False
    for row, column in product(range(n), range(n)):
        here = digits[row][column]
        right = signs[2 * row][2 * column + 1] if column < n - 1 else " "
        below = signs[2 * row + 1][2 * column] if row < n - 1 else " "
        if (right == "<" and here > digits[row][column + 1]) or (right == ">" and here < digits[row][column + 1]):
            return False
        if (below == "^" and here > digits[row + 1][column]) or (below == "v" and here < digits[row + 1][column]):
            return False
    return True


def rows_of(task: Futoshiki, tokens: np.ndarray) -> list[str]:
    text, side = task.decode(tokens), 2 * task.size - 1
    return [text[start : start + side] for start in range(0, len(text), side)]


def solutions(question: list[str]) -> Iterator[list[str]]:
    """All solutions of a question, as n rows of n digits."""
    given = [row[::2] for row in question[::2]]
    fits = [
        [
            way
            for way in map("".join, permutations("123456789"[: len(given)]))
            if all(a in (".", b) for a, b in zip(row, way, strict=True))
        ]
        for row in given
    ]
    yield from (list(grid) for grid in product(*fits) if holds(question, list(grid)))


def test_generated_puzzles_have_the_one_solution_that_a_search_by_hand_finds() -> None:
    task = Futoshiki(4, 4)
    puzzles = task.generate(4, np.random.default_rng(0))
    for inputs, solution in zip(puzzles.inputs, puzzles.solution, strict=True):
        assert list(solutions(rows_of(task, inputs))) == [[row[::2] for row in rows_of(task, solution)[::2]]]


def test_counts_are_those_of_a_search_by_hand() -> None:
    task, rng = Futoshiki(3, 3), np.random.default_rng(1)
    questions = np.repeat(task.generate(40, rng, signs=4).inputs, 4, axis=0)
    for row in questions:  # a digit more, which may contradict, and a sign less
        row[2 * rng.choice([0, 1, 2, 5, 6, 7, 10, 11, 12])] = rng.integers(1, 5)
        row[rng.choice(np.flatnonzero((row > 4) & (row < task.no_sign)))] = task.no_sign
    by_hand = [min(2, len(list(solutions(rows_of(task, row))))) for row in questions]
    assert task.count_solutions(questions).tolist() == by_hand
    assert set(by_hand) == {0, 1, 2}


def test_rules_agree_with_those_written_a_second_time() -> None:
    task, rng = Futoshiki(4, 4), np.random.default_rng(2)
    puzzles = task.generate(60, rng, signs=2)
    digits = [int(cell) for cell in np.arange(49).reshape(7, 7)[::2, ::2].ravel()]
    answers = puzzles.solution.copy()
    answers[20:40, digits] = puzzles.solution[:20][:, digits]  # Latin squares that may violate a sign
    answers[40:, digits] = rng.integers(2, 6, (20, 16))
    found = task.satisfies_rules(*(torch.as_tensor(tokens).long() for tokens in (puzzles.inputs, answers)))
    by_hand = [
        holds(rows_of(task, question), [row[::2] for row in rows_of(task, answer)[::2]])
        for question, answer in zip(puzzles.inputs, answers, strict=True)
    ]
    assert found.tolist() == by_hand
    assert 0 < sum(by_hand[20:40]) < 20


def test_a_puzzle_by_hand_and_its_conflicts() -> None:
    task = Futoshiki(3, 3)
    question = task.encode("".join([".<. .", "v   v", ". . .", "     ", ". . 3"]))
    right = task.encode("".join(["2<3 1", "v   v", "1 2 3", "     ", "3 1 2"]))
    assert task.count_solutions(question[None]).tolist() == [0]  # 1 > the digit below it cannot be
    question = task.encode("".join([".<. .", "v   ^", ". . .", "     ", ". . 2"]))
    right = task.encode("".join(["2<3 1", "v   ^", "1 2 3", "     ", "3 1 2"]))
    assert task.count_solutions(question[None]).tolist() == [1]
    inputs, answer = (torch.as_tensor(tokens).long()[None] for tokens in (question, right))
    assert task.check(inputs, answer).tolist() == [True]
    without_sign = answer.clone()
    without_sign[0, 1] = task.no_sign
    assert task.check(inputs, without_sign).tolist() == [False]
    assert not task.conflicts(right).any()
    wrong = task.encode("".join(["3<2 2", "v   ^", "1 . .", "     ", ". . ."]))
    assert np.flatnonzero(task.conflicts(wrong)).tolist() == [1, 2, 4]


def test_without_signs_it_is_a_latin_square() -> None:
    task = Futoshiki(4, 4)
    puzzles = task.generate(5, np.random.default_rng(0), signs=0)
    assert not set("<>^v") & set("".join(map(task.decode, puzzles.inputs)))
    bare = puzzles.inputs.reshape(-1, 7, 7)[:, ::2, ::2].reshape(-1, 16)
    assert Sudoku(1, 4).count_solutions(bare).tolist() == task.count_solutions(puzzles.inputs).tolist() == [1] * 5
    check_task(Sudoku(1, 5), count=4)


@pytest.mark.parametrize("number", [0, 7, 24])
def test_signs_are_counted(number: int) -> None:
    puzzles = Futoshiki(4, 4).generate(3, np.random.default_rng(0), signs=number)
    assert ((puzzles.inputs > 5) & (puzzles.inputs < 10)).sum(1).tolist() == [number] * 3


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="Futoshiki: expected n×n digits with n from 3 to 9, found 4x5"):
        Futoshiki(4, 5)
    with pytest.raises(ValueError, match="signs: expected an integer from 0 to 24, found 25"):
        Futoshiki(4, 4).generate(1, np.random.default_rng(0), signs=25)
