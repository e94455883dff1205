"""Drawings of written puzzles: what each kind of cell looks like, as text and as a picture; sizes and captions."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from terminal import plain

from hrm_env.drawing import RED, Line, draw_puzzle, side_by_side, with_caption, write_puzzle
from hrm_env.task import PuzzleTask
from hrm_env.tasks import make_task
from hrm_env.tasks.maze.task import Maze
from hrm_env.tasks.sudoku.task import Sudoku

TASK = Sudoku(2, 2)
QUESTION = TASK.encode("1..34..2........")
SOLUTION = TASK.encode("1243431234212134")
GREEN_INK, RED_INK, BLUE_INK = (26, 127, 55), (207, 34, 46), (9, 105, 218)
WHITE, GREY, PALE_RED, ORANGE = (255, 255, 255), (234, 237, 240), (255, 225, 222), (255, 216, 168)


def changed(tokens: np.ndarray, cell: int, token: int) -> np.ndarray:
    copy = tokens.copy()
    copy[cell] = token
    return copy


def cells(text: str) -> list[tuple[str, str]]:
    """The (code, character) of every coloured cell."""
    return re.findall(r"\x1b\[([0-9;]+)m(.)\x1b\[0m", text)


def papers(picture: np.ndarray) -> list[tuple[int, ...]]:
    """The colour of each of the 4x4 cells, beside its digit."""
    size = (len(picture) - 20) // 4
    corners = [10 + size * number + 4 for number in range(4)]
    return [tuple(map(int, picture[y, x])) for y in corners for x in corners]


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((picture == colour).all(-1).mean())


def test_text_of_a_question() -> None:
    text = write_puzzle(TASK, QUESTION)
    assert plain(text) == "1 · │ · 3\n4 · │ · 2\n────┼────\n· · │ · ·\n· · │ · ·"
    assert set(cells(text)) == {("1", "1"), ("1", "2"), ("1", "3"), ("1", "4"), ("2", "·")}


def test_text_has_a_line_between_all_boxes() -> None:
    lines = plain(write_puzzle(Sudoku(2, 3), np.ones(36, dtype=np.uint8))).split("\n")
    assert lines[0] == "· · · │ · · ·"
    assert [number for number, line in enumerate(lines) if "┼" in line] == [2, 5]
    assert all(line[6] == "┼" for line in lines if "┼" in line)


@pytest.mark.parametrize(
    ("answer", "solution", "cell", "expected"),
    [
        (SOLUTION, SOLUTION, 1, ("32", "2")),  # right
        (SOLUTION, SOLUTION, 0, ("1", "1")),  # given, and kept
        (changed(QUESTION, 9, 3), SOLUTION, 9, ("31", "2")),  # wrong, though nothing contradicts it
        (changed(SOLUTION, 1, 5), SOLUTION, 1, ("31;7", "4")),  # wrong, and in conflict
        (changed(SOLUTION, 1, 5), SOLUTION, 2, ("32;7", "4")),  # right, and in conflict
        (changed(SOLUTION, 1, 2), SOLUTION, 0, ("1;7", "1")),  # given, and in conflict
        (changed(SOLUTION, 1, 1), SOLUTION, 1, ("31", "·")),  # left blank
        (changed(SOLUTION, 0, 5), SOLUTION, 0, ("31;7", "4")),  # a given that the answer changes
        (SOLUTION, None, 1, ("34", "2")),  # nobody knows
        (SOLUTION, changed(SOLUTION, 1, 0), 1, ("34", "2")),  # not graded
        (None, SOLUTION, 1, ("2", "·")),  # no answer yet: the solution stays hidden
    ],
)
def test_text_of_an_answer(answer: Any, solution: Any, cell: int, expected: tuple[str, str]) -> None:
    assert cells(write_puzzle(TASK, QUESTION, answer, solution))[cell] == expected


def test_text_underlines_what_changed() -> None:
    before = changed(changed(SOLUTION, 1, 5), 0, 3)
    now = changed(SOLUTION, 2, 1)
    found = cells(write_puzzle(TASK, QUESTION, now, SOLUTION, before))
    assert found[:4] == [("1;4", "1"), ("32;4", "2"), ("31;4", "·"), ("1", "3")]
    assert not any(code.endswith(";4") for code, _ in found[3:])


def test_conflicts_are_digits_that_stand_again_in_row_column_or_box() -> None:
    assert not TASK.conflicts(SOLUTION).any()
    assert not TASK.conflicts(np.ones(16, dtype=np.uint8)).any()  # blanks do not contradict one another
    rows_columns_boxes = {(0, 3): "1..1............", (1, 13): ".3...........3..", (10, 15): "..........2....2"}
    for expected, text in rows_columns_boxes.items():
        assert np.flatnonzero(TASK.conflicts(TASK.encode(text))).tolist() == [*expected]
    assert not Maze(3, 3).conflicts(np.full(9, 5)).any()  # nothing by default


def test_a_task_without_blanks_shows_the_question_above_the_answer() -> None:
    task = make_task("copy:4x4")
    question = task.encode("ABCD")
    assert plain(write_puzzle(task, question)) == "A B C D\n───────\n· · · ·"
    assert cells(write_puzzle(task, question, task.encode("ABDD"), question)) == [
        *zip("1111", "ABCD", strict=True),
        *zip(("32", "32", "31", "32"), "ABDD", strict=True),
    ]
    assert draw_puzzle(task, question).shape == draw_puzzle(task, question, question, question).shape


def test_picture_tells_given_right_wrong_unknown_and_conflict() -> None:
    question = draw_puzzle(TASK, QUESTION)
    right = draw_puzzle(TASK, QUESTION, SOLUTION, SOLUTION)
    blank = draw_puzzle(TASK, QUESTION, changed(SOLUTION, 1, 1), SOLUTION)
    conflict = draw_puzzle(TASK, QUESTION, changed(SOLUTION, 1, 5), SOLUTION)
    unknown = draw_puzzle(TASK, QUESTION, SOLUTION)
    givens = [GREY if token > 1 else WHITE for token in QUESTION]
    assert papers(question) == papers(right) == papers(unknown) == givens
    assert papers(blank) == [givens[0], PALE_RED, *givens[2:]]
    assert [cell for cell, paper in enumerate(papers(conflict)) if paper == ORANGE] == [1, 2, 4, 9]
    inks = [
        [share(picture, ink) > 0 for ink in (GREEN_INK, RED_INK, BLUE_INK)]
        for picture in (question, right, conflict, unknown)
    ]
    assert inks == [[False] * 3, [True, False, False], [True, True, False], [False, False, True]]


TASKS = ["sudoku:2x2", "sudoku:2x3", "sudoku:3x3", "sudoku:4x4", "copy:1x2", "copy:4x4", "copy:33x26", "arc:30x30"]


@pytest.mark.parametrize("task", [*map(make_task, TASKS), Maze(30, 30), Maze(10, 10)], ids=lambda task: task.spec.name)
def test_pictures_of_a_task_have_one_even_size_that_fits_a_screen(task: PuzzleTask) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, task.spec.vocab_size, (3, task.spec.seq_len))
    pictures = [
        draw_puzzle(task, tokens[0]),
        draw_puzzle(task, *tokens),
        draw_puzzle(task, tokens[1], tokens[2]),
        draw_puzzle(task, tokens[2]),
    ]
    assert len({picture.shape for picture in pictures}) == 1
    height, width, _ = pictures[0].shape
    assert height % 2 == width % 2 == 0
    assert 300 <= max(height, width) <= 900
    assert all(picture.dtype == np.uint8 for picture in pictures)


def test_lists_arrays_and_tensors_draw_the_same() -> None:
    arrays = QUESTION, SOLUTION, SOLUTION
    tensors = [torch.as_tensor(array).long() for array in arrays]
    lists = [array.tolist() for array in arrays]
    assert write_puzzle(TASK, *arrays) == write_puzzle(TASK, *tensors) == write_puzzle(TASK, *lists)
    assert np.array_equal(draw_puzzle(TASK, *arrays), draw_puzzle(TASK, *tensors))
    assert np.array_equal(draw_puzzle(TASK, *arrays), draw_puzzle(TASK, *lists))


def test_a_caption_stands_below_the_picture() -> None:
    picture = draw_puzzle(TASK, QUESTION)
    short, long = (with_caption(picture, [Line("left", text, RED), Line("")]) for text in ("", "a longer text"))
    assert short.shape == long.shape
    assert len(short) % 2 == 0
    assert np.array_equal(long[: len(picture)], picture)
    assert share(short, RED_INK) == 0
    halves = np.array_split(long[len(picture) :], 2, axis=1)
    assert [share(half, RED_INK) > 0 for half in halves] == [False, True]


def test_wide_pictures_stand_below_one_another_others_in_a_row() -> None:
    wide, square = np.zeros((4, 6, 3), dtype=np.uint8), np.zeros((6, 6, 3), dtype=np.uint8)
    assert side_by_side([wide] * 3).shape == (12, 6, 3)
    assert side_by_side([square] * 3).shape == (6, 18, 3)
