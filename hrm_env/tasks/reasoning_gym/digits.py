"""reasoning-gym's Sudokus and futoshikis, which share rules and tokens with ours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hrm_env.checks import check_integer
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.tasks.futoshiki.task import Futoshiki
from hrm_env.tasks.reasoning_gym.adapter import Entry, ReasoningGymTask
from hrm_env.tasks.sudoku.task import FIRST_DIGIT, Sudoku

_MOST_EMPTY = {4: 12, 9: 64}  # cells; with more, no 4x4 and hardly any 9x9 puzzle has one solution


class RGSudoku(ReasoningGymTask, Sudoku):
    """Sudoku with the puzzles of the data sets ``mini_sudoku`` (4x4) and ``sudoku`` (9x9).

    Args:
        height: Rows, 4 or 9.
        width: Columns, as many as rows.
    """

    def __init__(self, height: int = 4, width: int = 4) -> None:
        if height != width or height not in _MOST_EMPTY:
            raise ValueError(f"RGSudoku: expected 4x4 or 9x9 cells, found {height}x{width}")
        box = {4: 2, 9: 3}[height]
        super().__init__(box, box)
        self.spec = replace(self.spec, name=f"rg_sudoku:{height}x{width}")
        self.data_set, self.sized = {4: "mini_sudoku", 9: "sudoku"}[height], {}

    def generate(  # type: ignore[override]  # the options are those of another generator
        self, count: int, rng: np.random.Generator, min_empty: int | None = None, max_empty: int | None = None
    ) -> Puzzles:
        """Generates puzzles with one solution.

        Args:
            count: Number of puzzles.
            rng: Random generator that the seed of the data set is drawn from.
            min_empty: Smallest number of blank cells that the data set tries to reach. Default: 8 or 30.
            max_empty: Largest number of blank cells. Default: 12 or 50.

        Returns:
            Puzzles rated by the number of blank cells.
        """
        low, high = {4: (8, 12), 9: (30, 50)}[self.size]
        most = check_integer("max_empty", high if max_empty is None else max_empty, 0, _MOST_EMPTY[self.size])
        least = check_integer("min_empty", min(low, most) if min_empty is None else min_empty, 0, most)
        return self.puzzles_of(self.entries(count, rng, min_empty=least, max_empty=most))

    def tokens_of(self, entry: Entry) -> tuple[Tokens, Tokens]:
        """Returns question and solution of an entry, ``(L,)`` uint8 each."""
        boards = (np.array(entry["metadata"][name], dtype=np.uint8).ravel() for name in ("puzzle", "solution"))
        inputs, solution = (board + np.uint8(FIRST_DIGIT - 1) for board in boards)  # 0 is a blank
        return inputs, solution

    def written(self, answer: Tokens) -> str:
        """Returns an answer ``(L,)`` as rows of digits, with ``_`` for a blank."""
        return self.lines(answer, {".": "_"})


class RGFutoshiki(ReasoningGymTask, Futoshiki):
    """Futoshiki with the puzzles of the data set ``futoshiki``.

    Args:
        height: Rows n of digits, 4 to 9.
        width: Columns of digits, as many as rows.
    """

    data_set = "futoshiki"

    def __init__(self, height: int = 5, width: int = 5) -> None:
        if not 4 <= height <= 9:
            raise ValueError(f"RGFutoshiki: expected n×n digits with n from 4 to 9, found {height}x{width}")
        super().__init__(height, width)
        self.spec = replace(self.spec, name=f"rg_futoshiki:{height}x{width}")
        self.sized = {"min_board_size": height, "max_board_size": height}

    def generate(  # type: ignore[override]  # the options are those of another generator
        self, count: int, rng: np.random.Generator, min_difficulty: int = 0, max_difficulty: int = 3
    ) -> Puzzles:
        """Generates puzzles with one solution.

        Args:
            count: Number of puzzles.
            rng: Random generator that the seed of the data set is drawn from.
            min_difficulty: Smallest difficulty d, 0 to 3; a sign stands at 3 + 7 d % of the places.
            max_difficulty: Largest difficulty.

        Returns:
            Puzzles rated by the number of blank cells.
        """
        most = check_integer("max_difficulty", max_difficulty, 0, 3)
        least = check_integer("min_difficulty", min_difficulty, 0, most)
        return self.puzzles_of(self.entries(count, rng, min_difficulty=least, max_difficulty=most))

    def tokens_of(self, entry: Entry) -> tuple[Tokens, Tokens]:
        """Returns question and solution of an entry, ``(L,)`` uint8 each."""
        text = entry["answer"].translate(str.maketrans({"∧": "^", "∨": "v"}))
        solution = self.encode("".join(line[::2] for line in text.split("\n")))  # a space after each cell
        inputs = solution.copy()
        self._digits(inputs)[:] = np.array(entry["metadata"]["puzzle"]) + FIRST_DIGIT - 1  # 0 is a blank
        return inputs, solution

    def written(self, answer: Tokens) -> str:
        """Returns an answer ``(L,)`` as rows of digits and signs, with ``_`` for a blank."""
        return self.lines(answer, {".": "_", "^": "∧", "v": "∨"})
