"""Drawings of painted puzzles: mazes, and the three panels of ARC."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from terminal import plain

from hrm_env.drawing import draw_puzzle, write_puzzle
from hrm_env.envs.scalar import PuzzleEnv
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.tasks.arc.grids import place
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.maze.task import Maze

WHITE, WALL, START, GOAL = "ffffff", "2f363d", "0969da", "8250df"
RIGHT, WRONG, UNKNOWN = "4ac26b", "f0525a", "54aeff"
MAZE = Maze(3, 4)
QUESTION = MAZE.encode("S #G    ## #")
SOLUTION = MAZE.encode("S #Goooo## #")
ANSWER = MAZE.encode("So#Goo   # #")  # one wrong step, two missed, a wall pulled down

PALETTE = ["000000", "0074d9", "ff4136", "2ecc40", "ffdc00", "aaaaaa", "f012be", "ff851b", "7fdbff", "870c25"]
ARC = Arc(6, 6)


def colours(picture: np.ndarray, shape: tuple[int, int], corner: tuple[int, int], size: int) -> list[str]:
    """The colour of each cell of a grid, near its upper left corner."""
    top, left = (start + max(2, size // 10) for start in corner)
    return [picture[top + row * size, left + column * size].tobytes().hex() for row, column in np.ndindex(shape)]


def of_maze(*tokens: Any) -> list[str]:
    return colours(draw_puzzle(MAZE, QUESTION, *tokens), (3, 4), (10, 10), 134)


def panel(picture: np.ndarray, number: int, shape: tuple[int, int]) -> list[str]:
    """The colours of panel 0, 1 or 2, which holds a grid of this shape."""
    size = 280 // max(shape) // 2 * 2
    corner = (174 - shape[0] * size // 2, 300 * number + 150 - shape[1] * size // 2)
    return colours(picture, shape, corner, size)


def canvas(*grid: str) -> np.ndarray:
    """The tokens of a grid that stands in row 2 and column 1."""
    tokens = np.zeros((6, 6), dtype=np.uint8)
    place(tokens, np.array([list(row) for row in grid], dtype=np.uint8), 2, 1)
    return tokens.ravel()


def test_a_maze_has_dark_walls_and_marked_ends() -> None:
    bare = [START, WHITE, WALL, GOAL, *[WHITE] * 4, WALL, WALL, WHITE, WALL]
    assert of_maze() == of_maze(None, SOLUTION) == bare
    assert of_maze(SOLUTION, SOLUTION) == [*bare[:4], *[RIGHT] * 4, *bare[8:]]
    assert of_maze(SOLUTION) == [*bare[:4], *[UNKNOWN] * 4, *bare[8:]]
    assert of_maze(ANSWER, SOLUTION) == [START, WRONG, WALL, GOAL, RIGHT, RIGHT, *[WHITE] * 3, WALL, WHITE, WALL]


@pytest.mark.parametrize("reward", ["exact", "rules"])
def test_another_shortest_path_is_right_where_the_rules_are_the_reward(reward: str) -> None:
    task = Maze(3, 3)
    question, stored, answer, broken = (
        task.encode(text)[None] for text in ("S       G", "S  o  ooG", "Soo  o  G", "Soo  o oG")
    )
    options: dict[str, Any] = {"source": Puzzles(question, stored), "reward": reward}
    env = PuzzleEnv(task, render_mode="ansi", **options)
    slots = PuzzleVectorEnv(task, num_envs=2, render_mode="rgb_array", **options)
    env.reset()
    slots.reset()
    env.step(np.append(answer, 0))
    slots.step(np.append(np.concatenate([answer, broken]), [[0], [0]], axis=1))
    assert ("×" in env.render()) == (reward == "exact")
    reds = [(picture == tuple(bytes.fromhex(WRONG))).all(-1).any() for picture in slots.render() or ()]
    assert reds == [reward == "exact", True]


def test_an_open_dot_marks_what_a_maze_answer_left_empty() -> None:
    picture = draw_puzzle(MAZE, QUESTION, ANSWER, SOLUTION)[10:-10, 10:-10]
    rings = [
        (row, column)
        for row, column in np.ndindex(3, 4)
        if picture[row * 134 + 67, column * 134 + 134 // 4 + 6].tobytes().hex() == WRONG
        and picture[row * 134 + 67, column * 134 + 67].tobytes().hex() == WHITE
    ]
    assert rings == [(1, 2), (1, 3), (2, 0)]


def test_the_text_of_a_maze_reads_without_colours() -> None:
    text = write_puzzle(MAZE, QUESTION, ANSWER, SOLUTION)
    assert plain(text).split("\n") == ["S o×# G ", "o o ·×·×", "·×#   # "]
    wall = "\x1b[48;2;47;54;61;38;2;47;54;61m# \x1b[0m"
    assert text.count(wall) == 3
    before = SOLUTION.copy()
    before[4] = 2
    changed = write_puzzle(MAZE, QUESTION, SOLUTION, SOLUTION, before)
    assert changed.count(";4m") == 1
    assert "\x1b[48;2;74;194;107;38;2;0;0;0;4mo \x1b[0m" in changed


def test_the_way_of_a_real_maze_is_green(shared_data: Path) -> None:
    task = Maze()
    puzzles = load_puzzles(task, str(shared_data / "maze" / "test.csv.gz"), rows=":3")
    for inputs, solution, rating in zip(puzzles.inputs, puzzles.solution, puzzles.rating, strict=True):
        found = colours(draw_puzzle(task, inputs, solution, solution), (30, 30), (10, 10), 18)
        assert found.count(RIGHT) == rating - 2
        assert found.count(WALL) == (inputs == 1).sum()
        assert not {WRONG, UNKNOWN} & set(found)


def test_arc_has_its_official_colours() -> None:
    picture = draw_puzzle(ARC, canvas("01234", "56789"))
    assert picture.shape == (324, 900, 3)
    assert panel(picture, 0, (2, 5)) == PALETTE


def test_arc_shows_input_prediction_and_target() -> None:
    question, solution = canvas("12", "34"), canvas("111", "123")
    answer = solution.copy()
    answer[[12 + 1, 18 + 2]] = 2 + 9, 2 + 7  # corner, and the middle of the second row
    answer[:12] = 5  # outside the grid anything goes
    picture = draw_puzzle(ARC, question, answer, solution)
    assert panel(picture, 0, (2, 2)) == [PALETTE[colour] for colour in (1, 2, 3, 4)]
    assert panel(picture, 1, (2, 3)) == [PALETTE[colour] for colour in (9, 1, 1, 1, 7, 3)]
    assert panel(picture, 2, (2, 3)) == [PALETTE[colour] for colour in (1, 1, 1, 1, 2, 3)]
    top, left, size = 174 - 92, 450 - 138, 92
    crossed = [
        picture[top + row * size + size // 2, left + column * size + size // 2].tobytes().hex()
        for row, column in np.ndindex(2, 3)
    ]
    assert crossed == [WHITE, PALETTE[1], PALETTE[1], PALETTE[1], "000000", PALETTE[3]]


def test_arc_tells_nothing_of_the_target_before_an_answer() -> None:
    question, solution = canvas("12", "34"), canvas("111", "123")
    picture = draw_puzzle(ARC, question, None, solution)
    assert np.array_equal(picture, draw_puzzle(ARC, question))
    assert (picture[40:, 300:] == 255).all()
    unknown = draw_puzzle(ARC, question, solution)
    assert panel(unknown, 1, (2, 3)) == [PALETTE[colour] for colour in (1, 1, 1, 1, 2, 3)]
    assert (unknown[40:, 600:] == 255).all()


def lines(*tokens: Any) -> list[str]:
    return [line.rstrip() for line in plain(write_puzzle(ARC, *tokens)).split("\n")]


def test_the_text_of_arc_reads_without_colours() -> None:
    question, answer, solution = canvas("12", "34"), canvas("11", "12", "13"), canvas("111", "123")
    assert lines(question, None, solution) == ["input", "1 2", "3 4"]
    assert lines(question, answer, solution) == [
        "input  prediction  target",
        "1 2    1 1         1 1 1",
        "3 4    1 2         1 2 3",
        "       1×3×",
    ]


@pytest.mark.parametrize(
    ("holes", "expected"),
    [([], ["1 1 1", "1 2 3"]), ([13], ["·×1 1", "1 2 3"]), ([14], ["1 ·×1", "1 2 3"]), ([20], ["1 1 1", "1 ·×3"])],
    ids=["none", "corner", "first row", "inside"],
)
def test_a_prediction_with_holes_keeps_its_size(holes: list[int], expected: list[str]) -> None:
    solution = canvas("111", "123")
    answer = solution.copy()
    answer[holes] = 1
    found = lines(canvas("12", "34"), answer, solution)
    assert [line[7:17].rstrip() for line in found[1:]] == expected
