"""n queens on a board, some of which stand already."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.checks import check_integer
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.task import PuzzleSpec
from hrm_env.tasks.group import SmallGroupTask, square_symmetries
from hrm_env.tasks.reasoning_gym.adapter import Entry, ReasoningGymTask

BLANK, NONE, QUEEN = 1, 2, 3  # tokens; PAD is 0


class RGQueens(ReasoningGymTask, SmallGroupTask):
    """The agent places queens until n stand on the n×n board and none attacks another: the data set ``n_queens``.

    A puzzle may have several solutions, so ``reward="rules"`` fits it. Text is ``Q`` for a queen, ``-`` for a cell
    without one and ``.`` for a cell to decide.

    Args:
        height: Rows n, 4 to 12.
        width: Columns, as many as rows.
    """

    data_set = "n_queens"
    alphabet = ".-Q"
    blank = "."

    def __init__(self, height: int = 8, width: int = 8) -> None:
        super().__init__()
        if height != width or not 4 <= height <= 12:
            raise ValueError(f"RGQueens: expected n×n cells with n from 4 to 12, found {height}x{width}")
        self.size = n = height
        self.sized = {"n": n, "max_remove": n - 1}
        self.spec = PuzzleSpec(f"rg_queens:{n}x{n}", n, n, vocab_size=len(self.alphabet) + 1)
        self.group = square_symmetries(n, self.spec.vocab_size)
        rows, columns = np.indices((n, n)).reshape(2, -1)
        lines = [rows, n + columns, 2 * n + rows + columns, 5 * n - 2 + rows - columns]
        self._lines = torch.from_numpy(np.stack(lines))  # of each cell: row, column and diagonals, (4, L)

    def generate(
        self, count: int, rng: np.random.Generator, min_remove: int = 1, max_remove: int | None = None
    ) -> Puzzles:
        """Generates boards with queens that stand right.

        Args:
            count: Number of puzzles.
            rng: Random generator that the seed of the data set is drawn from.
            min_remove: Smallest number of queens to place.
            max_remove: Largest number of queens to place, at most n. Default: n − 1.

        Returns:
            Puzzles rated by the number of blank cells; the solution is one of those that there are.
        """
        most = check_integer("max_remove", self.size - 1 if max_remove is None else max_remove, 1, self.size)
        least = check_integer("min_remove", min_remove, 1, most)
        return self.puzzles_of(self.entries(count, rng, min_remove=least, max_remove=most))

    def tokens_of(self, entry: Entry) -> tuple[Tokens, Tokens]:
        """Returns question and solution of an entry, ``(L,)`` uint8 each."""
        question = np.array(entry["metadata"]["puzzle"]).ravel() == "Q"
        solution = np.array(entry["answer"].split()) == "Q"
        return np.where(question, QUEEN, BLANK).astype(np.uint8), np.where(solution, QUEEN, NONE).astype(np.uint8)

    def written(self, answer: Tokens) -> str:
        """Returns an answer ``(L,)`` as rows, with ``_`` for a cell without a queen."""
        return self.lines(answer, {"-": "_", "_": "?"})  # PAD, which is text _, is no cell of theirs

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether every row and column holds one queen and no diagonal two, ``(B,)`` bool."""
        queens = self._on_lines(answer == QUEEN)
        exactly, at_most = queens[:, : 2 * self.size], queens[:, 2 * self.size :]
        decided = ((answer == QUEEN) | (answer == NONE)).all(-1)
        return decided & (exactly == 1).all(-1) & (at_most <= 1).all(-1)

    def _on_lines(self, queens: Tensor) -> Tensor:
        """Returns the number of queens ``(B, L)`` on rows, columns and diagonals, ``(B, 8n − 3)``."""
        counts = torch.zeros(len(queens), 8 * self.size, dtype=torch.int64, device=queens.device)
        for lines in self._lines.to(queens.device):
            counts.index_add_(1, lines, queens.long())
        return counts

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Returns the queens that another one attacks, ``(L,)`` bool."""
        queens = torch.from_numpy(answer == QUEEN)[None]
        attacked = self._on_lines(queens)[0][self._lines] > 1
        marked: npt.NDArray[np.bool_] = (attacked.any(0) & queens[0]).numpy()
        return marked
