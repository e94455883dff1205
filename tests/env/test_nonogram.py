"""Nonograms: solver and rules against a search by hand, ways to write a question, and what drawings mark."""

from itertools import groupby, product

import numpy as np
import pytest
import torch

from hrm_env.drawing import write_puzzle
from hrm_env.drawing.cells import Kind, Shown, panels
from hrm_env.drawing.looks import look
from hrm_env.tasks.nonogram.clues import clues_of_lines, clues_of_numbers, numbers_of_clues
from hrm_env.tasks.nonogram.task import Nonogram

EXAMPLE = ["  111", " 1113", "3 ###", "1 --#", "2 -##"]  # every number in the place next to the picture


def runs(line: str) -> str:
    """The rule, written down a second time."""
    return "".join(str(len(list(cells))) for char, cells in groupby(line) if char == "#")


def clues(rows: list[str]) -> tuple[list[str], list[str]]:
    return [runs(row) for row in rows], [runs("".join(column)) for column in zip(*rows, strict=True)]


def rows_of(task: Nonogram, tokens: np.ndarray) -> list[str]:
    text, side = task.decode(tokens), task.spec.width
    return [text[start : start + side] for start in range(0, len(text), side)]


def picture(task: Nonogram, tokens: np.ndarray) -> list[str]:
    return [row[task.margin :] for row in rows_of(task, tokens)[task.margin :]]


def asked(task: Nonogram, tokens: np.ndarray) -> tuple[list[str], list[str]]:
    rows, m = rows_of(task, tokens), task.margin
    columns = list(zip(*rows[:m], strict=True))[m:]
    return [row[:m].replace(" ", "") for row in rows[m:]], ["".join(column).replace(" ", "") for column in columns]


def every_picture(n: int) -> list[list[str]]:
    return [["".join(cells[at : at + n]) for at in range(0, n * n, n)] for cells in product("-#", repeat=n * n)]


def question(task: Nonogram, text: list[str]) -> np.ndarray:
    m = task.margin
    return task.encode("".join([*text[:m], *(row[:m] + "." * task.size for row in text[m:])]))


def test_the_clue_of_a_line_is_a_number() -> None:
    lines = torch.tensor([[0, 0, 0, 0, 0], [1, 0, 1, 1, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]])
    assert clues_of_lines(lines).tolist() == [0, 6 + 2, 36 + 6 + 1, 5]
    assert numbers_of_clues(clues_of_lines(lines), 5).tolist() == [[0, 0, 0], [0, 1, 2], [1, 1, 1], [0, 0, 5]]
    anywhere = torch.tensor([[0, 0, 0], [1, 0, 2], [1, 1, 1], [5, 0, 0]])
    assert clues_of_numbers(anywhere, 5).tolist() == clues_of_lines(lines).tolist()


def test_counts_of_all_pictures_of_3x3_are_those_of_a_search_by_hand() -> None:
    """A picture's question has as many solutions as pictures have its clues."""
    task = Nonogram(3, 3)
    pictures = every_picture(3)
    found = [clues(rows) for rows in pictures]
    filled = np.array([[[char == "#" for char in row] for row in rows] for rows in pictures])
    inputs = task._with_numbers(filled)
    assert [asked(task, row) for row in inputs] == found
    task._pictures(inputs)[:] = task.blank_id
    by_hand = [min(2, found.count(one)) for one in found]
    assert task.count_solutions(inputs).tolist() == by_hand
    assert set(by_hand) == {1, 2}


def test_counts_with_given_cells_and_numbers_that_fit_no_picture() -> None:
    task = Nonogram(3, 3)
    rng = np.random.default_rng(0)
    inputs = task._with_numbers(rng.random((200, 3, 3)) < 0.5)
    task._pictures(inputs)[:] = task.blank_id
    for row in inputs:  # a given cell of the picture, and another number, which may be too many
        row[5 * rng.integers(2, 5) + rng.integers(2, 5)] = rng.integers(1, 4)
        row[rng.choice([5 * 2, 5 * 2 + 1, 2, 5 + 3])] = rng.integers(4, 8)
    pictures = [(rows, clues(rows)) for rows in every_picture(3)]

    def by_hand(tokens: np.ndarray) -> int:
        given = "".join(picture(task, tokens))
        wanted = asked(task, tokens)
        fitting = [
            all(a in (".", b) for a, b in zip(given, "".join(rows), strict=True))
            for rows, found in pictures
            if found == wanted
        ]
        return min(2, sum(fitting))

    expected = [by_hand(row) for row in inputs]
    assert task.count_solutions(inputs).tolist() == expected
    assert set(expected) == {0, 1, 2}


def test_rules_agree_with_those_written_a_second_time() -> None:
    task, rng = Nonogram(5, 5), np.random.default_rng(1)
    puzzles = task.generate(60, rng)
    answers = puzzles.solution.copy()
    for row in answers[20:]:  # a cell moved to the right, which keeps the row's runs now and then
        place = 8 * rng.integers(3, 8) + rng.integers(3, 7)
        row[place], row[place + 1] = row[place + 1], row[place]
    answers[::15, 63] = rng.integers(0, 2)  # PAD or blank
    found = task.satisfies_rules(*(torch.as_tensor(tokens).long() for tokens in (puzzles.inputs, answers)))
    by_hand = [
        clues(picture(task, answer)) == asked(task, inputs) and answer[63] > 1
        for inputs, answer in zip(puzzles.inputs, answers, strict=True)
    ]
    assert found.tolist() == by_hand
    assert 20 < sum(by_hand) < 50


def test_a_puzzle_by_hand_and_its_conflicts() -> None:
    task = Nonogram(3, 3)
    inputs, right = question(task, EXAMPLE), task.encode("".join(EXAMPLE))
    assert task.count_solutions(inputs[None]).tolist() == [0]  # the second column has two runs
    example = ["     ", "  123", "3 ###", "2 -##", "1 --#"]
    inputs, right = question(task, example), task.encode("".join(example))
    assert task.count_solutions(inputs[None]).tolist() == [1]
    batch, answer = (torch.as_tensor(tokens).long()[None] for tokens in (inputs, right))
    assert task.check(batch, answer).tolist() == [True]
    other_number = answer.clone()
    other_number[0, 10] = task.no_number
    assert task.check(batch, other_number).tolist() == [False]  # it is a given
    assert not task.conflicts(right).any()
    assert not task.conflicts(inputs).any()
    wrong = right.copy()
    wrong[12] = 2  # the first cell of the picture, empty: neither its row nor its column can be what they should
    assert np.flatnonzero(task.conflicts(wrong)).tolist() == [2, 7, 10, 11]


def test_numbers_may_stand_anywhere_in_their_cells() -> None:
    task = Nonogram(5, 5)
    inputs = task.generate(30, np.random.default_rng(3)).inputs
    moved = inputs.copy()
    for cells in task._numbers(moved):
        order = (cells == task.no_number).argsort(-1, kind="stable")
        cells[:] = np.take_along_axis(cells, order, -1)
    assert not np.array_equal(moved, inputs)
    assert np.array_equal(task.one_form(moved), inputs)
    assert task.count_solutions(moved).tolist() == [1] * 30
    assert np.array_equal(task.symmetry_key(moved), task.symmetry_key(inputs))


def test_a_mirrored_picture_shares_the_key_however_its_question_is_written() -> None:
    task = Nonogram(4, 4)
    filled = np.random.default_rng(4).random((50, 4, 4)) < 0.5
    keys = [task.symmetry_key(task._with_numbers(way)) for way in (filled, filled[:, ::-1].copy(), filled.mT)]
    assert np.array_equal(keys[0], keys[1])
    assert np.array_equal(keys[0], keys[2])
    assert len(set(keys[0].tolist())) > 40


def test_density_is_that_of_the_filled_cells() -> None:
    dense, thin = (Nonogram(6, 6).generate(60, np.random.default_rng(0), density=share) for share in (0.8, 0.5))
    shares = [(Nonogram(6, 6)._pictures(puzzles.solution) == 3).mean() for puzzles in (dense, thin)]
    assert abs(shares[0] - 0.8) < 0.05
    assert 0.45 < shares[1] < 0.65


def test_a_picture_looks_like_one() -> None:
    task = Nonogram(3, 3)
    puzzles = task.generate(1, np.random.default_rng(0))
    answer = puzzles.solution[0].copy()
    answer[12] = 5 - answer[12]
    cells = panels(task, Shown(puzzles.inputs[0], answer, puzzles.solution[0]))[0].rows
    assert [cells[2][2].kind, cells[3][3].kind, cells[2][1].kind] == [Kind.WRONG, Kind.RIGHT, Kind.GIVEN]
    assert [cells[2][1].conflict, cells[3][1].conflict] == [True, False]
    assert look(task.style, cells[2][1]).paper != look(task.style, cells[3][1]).paper
    assert write_puzzle(task, puzzles.inputs[0], answer, puzzles.solution[0]).count("×") == 1


@pytest.mark.parametrize("size", [(5, 4), (2, 2), (16, 16)])
def test_other_sizes_are_refused(size: tuple[int, int]) -> None:
    message = f"Nonogram: expected n×n cells with n from 3 to 15, found {size[0]}x{size[1]}"
    with pytest.raises(ValueError, match=message):
        Nonogram(*size)


def test_other_densities_are_refused() -> None:
    with pytest.raises(ValueError, match=r"density: expected a finite number from 0\.4 to 0\.9, found 0\.2"):
        Nonogram(3, 3).generate(1, np.random.default_rng(0), density=0.2)
