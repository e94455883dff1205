"""Nonograms, also called Picross, Hanjie or Griddlers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.checks import check_number
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.style import Style
from hrm_env.task import PuzzleSpec
from hrm_env.tasks.group import SmallGroupTask, square_symmetries
from hrm_env.tasks.lines import BOTH, FIRST, SECOND, Masks, search_lines, square_lines
from hrm_env.tasks.nonogram.clues import clues_of_lines, clues_of_numbers, numbers_of_clues
from hrm_env.tasks.rating import draw_rated, rating_range
from hrm_env.tasks.solving import SearchResult
from hrm_env.tasks.sudoku.task import DIGITS

BLANK, EMPTY, FILLED = 1, 2, 3  # tokens; PAD is 0, and the number d is FILLED + d
LARGEST = 15
DENSITIES = 0.4, 0.9  # below, hardly any large picture is the only one with its numbers
HARDEST = 20  # highest rating that can be requested


class Nonogram(SmallGroupTask):
    """The agent fills an n×n picture whose rows and columns have runs of filled cells of given lengths.

    The grid has m = ⌈n / 2⌉ rows above the picture and as many columns to its left for the numbers of each line, in
    order and next to the picture. They are given cells; a space is a cell without a number, and a line without numbers
    is empty. A question may also have its spaces elsewhere among the numbers of a line. Text is ``.`` for a blank,
    ``#`` for a filled cell and ``-`` for an empty one, and ``1``..``9`` (then ``A``..``F``) for numbers.

    Args:
        height: Rows n of the picture, 3 to 15.
        width: Columns, as many as rows.
    """

    blank = "."

    def __init__(self, height: int = 5, width: int = 5) -> None:
        super().__init__()
        if height != width or not 3 <= height <= LARGEST:
            raise ValueError(f"Nonogram: expected n×n cells with n from 3 to {LARGEST}, found {height}x{width}")
        self.size, self.margin = n, m = height, (height + 1) // 2
        numbers = DIGITS[:n]
        self.alphabet = ".-#" + numbers + " "
        self.no_number = len(self.alphabet)
        self.spec = PuzzleSpec(f"nonogram:{n}x{n}", n + m, n + m, vocab_size=len(self.alphabet) + 1)
        paper = dict.fromkeys(numbers + " ", "#eaedf0")
        self.style = Style(paints={"#": "#2f363d", "-": "#ffffff", **paper}, written=numbers + "-")
        self.group = square_symmetries(n + m, self.spec.vocab_size, margin=m)
        words = torch.arange(1 << n)
        clues = clues_of_lines(words[:, None] >> torch.arange(n) & 1).numpy()
        order = np.argsort(clues, kind="stable")
        self._lines, self._clues = square_lines(n, words.numpy()[order], distinct=False), clues[order]

    def generate(
        self,
        count: int,
        rng: np.random.Generator,
        density: float = 0.5,
        min_rating: int = 0,
        max_rating: int | None = None,
    ) -> Puzzles:
        """Generates pictures at random and keeps those that no other picture shares the numbers of.

        Args:
            count: Number of puzzles.
            rng: The only source of randomness.
            density: Probability that a cell is filled, 0.4 to 0.9.
            min_rating: Smallest rating, at most `HARDEST`.
            max_rating: Largest rating; None sets no bound.

        Returns:
            Puzzles rated by the number of guesses with which the solver proves the solution unique. It reasons about
            one line at a time, so 0 means that this suffices.

        Raises:
            ValueError: An option is out of range, or almost no puzzle has a wanted rating.
        """
        check_number("density", density, *DENSITIES)

        def draw(number: int) -> Puzzles:
            solution = self._with_numbers(rng.random((number, self.size, self.size)) < density)
            inputs = solution.copy()
            self._pictures(inputs)[:] = BLANK
            result = self._search(inputs)
            unique = result.found == 1
            return Puzzles(inputs[unique], solution[unique], result.guesses[unique])

        return draw_rated(draw, count, rating_range(min_rating, max_rating, HARDEST))

    def _squares(self, tokens: Tokens) -> Tokens:
        return tokens.reshape(-1, self.spec.height, self.spec.width)

    def _pictures(self, tokens: Tokens) -> Tokens:
        """Returns a view of the pictures, ``(N, n, n)``."""
        return self._squares(tokens)[:, self.margin :, self.margin :]

    def _numbers(self, tokens: Tokens) -> tuple[Tokens, Tokens]:
        """Returns views of the cells with the numbers of the rows and of the columns, ``(N, n, m)`` each."""
        grids, m = self._squares(tokens), self.margin
        return grids[:, m:, :m], grids[:, :m, m:].swapaxes(1, 2)

    def _with_numbers(self, filled: npt.NDArray[np.bool_]) -> Tokens:
        """Returns full grids ``(N, L)`` of pictures ``(N, n, n)``."""
        tokens = np.full((len(filled), self.spec.seq_len), self.no_number, dtype=np.uint8)
        self._pictures(tokens)[:] = np.where(filled, FILLED, EMPTY)
        for cells, lines in zip(self._numbers(tokens), (filled, filled.swapaxes(1, 2)), strict=True):
            numbers = numbers_of_clues(clues_of_lines(torch.from_numpy(lines).long()), self.size).numpy()
            cells[:] = np.where(numbers, FILLED + numbers, self.no_number)
        return tokens

    def _asked(self, inputs: Tensor) -> Tensor:
        """Returns the clue of each row, then of each column, ``(B, 2n)`` int64; -1 where a cell is no number."""
        grids, m = inputs.view(-1, self.spec.height, self.spec.width), self.margin
        cells = torch.cat([grids[:, m:, :m], grids[:, :m, m:].mT], dim=1).long()
        numbers = torch.where(cells == self.no_number, 0, cells - FILLED)
        return torch.where((cells > FILLED).all(-1), clues_of_numbers(numbers, self.size), -1)

    def _spans(self, inputs: Tokens) -> Masks:
        """Returns the first word of each line and the one after its last, ``(N, 2n, 2)``; equal if no word fits."""
        asked = self._asked(torch.from_numpy(inputs)).numpy()
        return np.stack([self._clues.searchsorted(asked, side) for side in ("left", "right")], -1)

    def _search(self, inputs: Tokens) -> SearchResult:
        masks = np.array([0, BOTH, FIRST, SECOND])[self._pictures(inputs).reshape(len(inputs), -1)]
        return search_lines(self._lines, masks, self._spans(inputs), limit=2)

    def count_solutions(self, inputs: Tokens) -> npt.NDArray[np.int32]:
        """Counts the solutions of each puzzle ``(N, L)`` up to 2: ``(N,)`` int32."""
        return self._search(inputs).found

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether each answer's picture has the runs that the question gives, ``(B,)`` bool."""
        filled = answer.view(-1, self.spec.height, self.spec.width)[:, self.margin :, self.margin :].long() - EMPTY
        right = ((filled == 0) | (filled == 1)).flatten(1).all(-1)
        clues = clues_of_lines(torch.cat([filled, filled.mT], dim=1))
        return right & (clues == self._asked(inputs)).all(-1)

    def one_form(self, inputs: Tokens) -> Tokens:
        """Returns the puzzles with the numbers of every line next to the picture."""
        tokens = inputs.copy()
        for cells in self._numbers(tokens):
            order = (cells != self.no_number).argsort(-1, kind="stable")
            cells[:] = np.take_along_axis(cells, order, -1)
        return tokens

    def conflicts(self, answer: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Returns the cells for the numbers of each line that none of its ways agrees with, ``(L,)`` bool."""
        tokens = answer.astype(np.uint8)[None]
        picture, found = self._pictures(tokens)[0], np.zeros_like(tokens)
        lines, places = np.concatenate([picture, picture.T]), 1 << np.arange(self.size)
        empty, filled = (((lines == token) * places).sum(-1) for token in (EMPTY, FILLED))
        fits = [
            bool(((words & e == 0) & (words & f == f)).any())
            for (start, end), e, f in zip(self._spans(tokens)[0], empty, filled, strict=True)
            for words in [self._lines.words[start:end]]
        ]
        for cells, fitting in zip(self._numbers(found), np.split(np.array(fits), 2), strict=True):
            cells[:] = ~fitting[:, None]
        marked: npt.NDArray[np.bool_] = found[0] != 0
        return marked
