"""Drawings: what each kind of cell looks like, as text and as a picture."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from hrm_env.tasks import make_task
from hrm_env.tasks.sudoku import Sudoku

TASK = Sudoku(2, 2)
QUESTION = TASK.encode("1..34..2........")
SOLUTION = TASK.encode("1243431234212134")
GREEN, RED, BLUE = (26, 127, 55), (207, 34, 46), (9, 105, 218)
GREY, PALE_RED = (234, 237, 240), (255, 225, 222)


def changed(tokens: np.ndarray, cell: int, token: int) -> np.ndarray:
    copy = tokens.copy()
    copy[cell] = token
    return copy


def cells(text: str) -> list[tuple[str, str]]:
    """The (code, character) of every coloured cell."""
    return re.findall(r"\x1b\[([0-9;]+)m(.)\x1b\[0m", text)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]+m", "", text)


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((picture == colour).all(-1).mean())


def test_text_of_a_question() -> None:
    text = TASK.to_text(QUESTION)
    assert plain(text) == "1 · │ · 3\n4 · │ · 2\n────┼────\n· · │ · ·\n· · │ · ·"
    assert set(cells(text)) == {("1", "1"), ("1", "2"), ("1", "3"), ("1", "4"), ("2", "·")}


def test_text_has_a_line_between_all_boxes() -> None:
    lines = plain(Sudoku(2, 3).to_text(np.ones(36, dtype=np.uint8))).split("\n")
    assert lines[0] == "· · · │ · · ·"
    assert [number for number, line in enumerate(lines) if "┼" in line] == [2, 5]
    assert all(line[6] == "┼" for line in lines if "┼" in line)


@pytest.mark.parametrize(
    ("answer", "solution", "cell", "expected"),
    [
        (SOLUTION, SOLUTION, 1, ("32", "2")),  # right
        (SOLUTION, SOLUTION, 0, ("1", "1")),  # given, and kept
        (changed(SOLUTION, 1, 5), SOLUTION, 1, ("31", "4")),  # wrong
        (changed(SOLUTION, 1, 1), SOLUTION, 1, ("31", "·")),  # left blank
        (changed(SOLUTION, 0, 5), SOLUTION, 0, ("31", "4")),  # a given that the answer changes
        (SOLUTION, None, 1, ("34", "2")),  # nobody knows
        (SOLUTION, changed(SOLUTION, 1, 0), 1, ("34", "2")),  # not graded
        (None, SOLUTION, 1, ("2", "·")),  # no answer yet: the solution stays hidden
    ],
)
def test_text_of_an_answer(answer: Any, solution: Any, cell: int, expected: tuple[str, str]) -> None:
    assert cells(TASK.to_text(QUESTION, answer, solution))[cell] == expected


def test_text_underlines_what_changed() -> None:
    before = changed(changed(SOLUTION, 1, 5), 0, 3)
    now = changed(SOLUTION, 2, 2)
    found = cells(TASK.to_text(QUESTION, now, SOLUTION, before))
    assert found[:4] == [("1;4", "1"), ("32;4", "2"), ("31;4", "1"), ("1", "3")]
    assert not any(code.endswith(";4") for code, _ in found[3:])


def test_a_task_without_blanks_shows_the_question_above_the_answer() -> None:
    task = make_task("copy:4x4")
    question = task.encode("ABCD")
    assert plain(task.to_text(question)) == "A B C D\n───────\n· · · ·"
    assert cells(task.to_text(question, task.encode("ABDD"), question)) == [
        *zip("1111", "ABCD", strict=True),
        *zip(("32", "32", "31", "32"), "ABDD", strict=True),
    ]
    assert task.render(question).shape == task.render(question, question, question).shape


def test_picture_tells_given_right_wrong_and_unknown() -> None:
    puzzle = TASK.render(QUESTION)
    right = TASK.render(QUESTION, SOLUTION, SOLUTION)
    wrong = TASK.render(QUESTION, changed(SOLUTION, 1, 5), SOLUTION)
    unknown = TASK.render(QUESTION, SOLUTION)
    assert share(puzzle, GREY) > 0.1
    found = [
        [share(picture, colour) > 0 for colour in (GREEN, RED, BLUE)] for picture in (puzzle, right, wrong, unknown)
    ]
    assert found == [[False] * 3, [True, False, False], [True, True, False], [False, False, True]]
    cell = 1 / 16
    assert 0.5 * cell < share(wrong, PALE_RED) < cell
    assert share(right, PALE_RED) == 0


@pytest.mark.parametrize("name", ["sudoku:2x2", "sudoku:2x3", "sudoku:3x3", "sudoku:4x4", "copy:1x2", "copy:33x26"])
def test_pictures_have_even_sizes_that_fit_a_screen(name: str) -> None:
    task = make_task(name)
    picture = task.render(np.ones(task.spec.seq_len, dtype=np.uint8))
    assert picture.dtype == np.uint8
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    assert max(picture.shape) < 600


def test_lists_arrays_and_tensors_draw_the_same() -> None:
    arrays = QUESTION, SOLUTION, SOLUTION
    tensors = [torch.as_tensor(array).long() for array in arrays]
    lists = [array.tolist() for array in arrays]
    assert TASK.to_text(*arrays) == TASK.to_text(*tensors) == TASK.to_text(*lists)
    assert np.array_equal(TASK.render(*arrays), TASK.render(*tensors))
