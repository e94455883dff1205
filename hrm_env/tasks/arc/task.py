"""ARC-AGI: grids of colours, and an agent that has to find the rule from input to output."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.puzzles import BLANK_NAME, Puzzles, Tokens
from hrm_env.sources.json_file import holds_json
from hrm_env.style import Style
from hrm_env.task import PAD_ID, PuzzleBatch, PuzzleSpec, PuzzleTask
from hrm_env.tasks.arc.build import read_arc
from hrm_env.tasks.arc.grids import EOS, FIRST_COLOUR, NUM_COLOURS, Grid, canonical, place, read
from hrm_env.tasks.arc.rules import RULES, random_grid

_MAX_SIDE = 30  # largest side of a grid in ARC
_GENERATED_SIDE = 10
# colours 0 to 9 on ARC's website
_PAINTS = ("#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00", "#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25")


class Arc(PuzzleTask):
    """Pairs of grids on a canvas of ``height`` × ``width`` cells.

    Tokens and layout are those of the HRM reference code: PAD 0, EOS 1, colours 0-9 are 2-11. Input and output of a
    pair have the same position; EOS bounds each grid below and on the right. Text is ``_`` for PAD, ``|`` for EOS, and
    the digits. The puzzle id alone connects the demonstrations and tests of one ARC task.

    Raises:
        ValueError: The canvas is smaller than 3x3 or larger than 30x30.
    """

    alphabet = "|0123456789"
    style = Style(paints=dict(zip("0123456789", _PAINTS, strict=True)), line="#555555", panels=True)

    def __init__(self, height: int = _MAX_SIDE, width: int = _MAX_SIDE) -> None:
        if not (3 <= height <= _MAX_SIDE and 3 <= width <= _MAX_SIDE):
            raise ValueError(f"ARC: expected a canvas of 3x3 to {_MAX_SIDE}x{_MAX_SIDE}, found {height}x{width}")
        self.spec = PuzzleSpec(f"arc:{height}x{width}", height, width, vocab_size=FIRST_COLOUR + NUM_COLOURS)

    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        """Draws random grids for the rules of `RULES`, one puzzle id each, in the upper left corner of the canvas."""
        inputs, solution = np.zeros((2, count, self.spec.seq_len), dtype=np.uint8)
        shape, rules = (self.spec.height, self.spec.width), list(RULES.values())
        chosen = rng.integers(len(rules), size=count)
        side = min(_GENERATED_SIDE, self.spec.height, self.spec.width)
        for row, rule in enumerate(chosen):
            grid = random_grid(rng, side)
            place(inputs[row].reshape(shape), grid, 0, 0)
            place(solution[row].reshape(shape), rules[rule](grid), 0, 0)
        names = (BLANK_NAME, *RULES)
        puzzle_id = (chosen + 1).astype(np.int32)
        return Puzzles(inputs, solution, puzzle_id=puzzle_id, names=names)

    def file_reader(self, path: Path) -> Callable[..., Puzzles] | None:
        """Returns `read_arc` for a JSON file, plain or gzip, and for a folder of JSON files."""
        return read_arc if holds_json(path) else None

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns whether each answer is well formed. Whether it is right is unknown, as ARC does not state its rules.

        A well-formed answer holds a rectangle of colours where the input's grid begins, bounded by EOS. All other
        positions are PAD in a solution, so they are not graded and may hold anything.
        """
        inside, closing = self._grid(inputs, answer)
        closed = ((answer >= FIRST_COLOUR) | ~inside).all(1) & ((answer == EOS) | ~closing).all(1)
        return closed & inside.any(1) & (inputs >= FIRST_COLOUR).any(1)

    def answer_cells(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns the cells of each answer's grid and of the EOS that bounds it, ``(B, L)`` bool.

        All other positions are PAD in a solution, so they are not graded and may hold anything. If an answer has no
        grid, its cells are those of the input.
        """
        inside, closing = self._grid(inputs, answer)
        return torch.where(inside.any(1, keepdim=True), inside | closing, inputs != PAD_ID)

    def _grid(self, inputs: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rectangle of each answer and the line that bounds it, ``(B, L)`` bool each.

        The rectangle begins where the input's grid does; its first row and column of colours give its size.
        """
        asked, coloured = self._canvas(inputs) >= FIRST_COLOUR, self._canvas(answer) >= FIRST_COLOUR
        first = asked.flatten(1).int().argmax(1)
        row, column = first // self.spec.width, first % self.spec.width
        down = torch.arange(self.spec.height, device=answer.device) - row.unsqueeze(1)  # (B, H), from the corner
        right = torch.arange(self.spec.width, device=answer.device) - column.unsqueeze(1)  # (B, W)
        batch = torch.arange(len(answer), device=answer.device)
        height = _run(coloured[batch, :, column], down).unsqueeze(1)
        width = _run(coloured[batch, row], right).unsqueeze(1)
        in_rows, in_columns = (down >= 0) & (down < height), (right >= 0) & (right < width)
        inside = _outer(in_rows, in_columns).flatten(1)
        closing = (_outer(down == height, in_columns) | _outer(in_rows, right == width)).flatten(1)
        return inside, closing

    def keeps_givens(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns True for every answer, because the answer is a new grid and no cell of it is given."""
        return torch.ones(len(answer), dtype=torch.bool, device=answer.device)

    def augment(self, batch: PuzzleBatch, generator: torch.Generator) -> PuzzleBatch:
        """Moves input and solution together to a random position at which both fit.

        Colours and symmetries stay, because they belong to the puzzle id.
        """
        grids = [self._canvas(tokens) for tokens in (batch.inputs, batch.solution)]
        taken = torch.stack([grid >= FIRST_COLOUR for grid in grids]).any(0)
        cells = self._moved(taken.any(2), generator).unsqueeze(2) * self.spec.width
        cells = (cells + self._moved(taken.any(1), generator).unsqueeze(1)).flatten(1)
        inputs, solution = (self._closed_off(tokens.gather(1, cells)) for tokens in (batch.inputs, batch.solution))
        return batch._replace(inputs=inputs, solution=solution)

    def _moved(self, taken: Tensor, generator: torch.Generator) -> Tensor:
        """Returns the old index of each new line, ``(B, n)``, after a random shift that keeps ``taken (B, n)`` inside.

        Free lines that leave on one side return on the other.
        """
        batch_size, count = taken.shape
        room = count - taken.sum(1) + 1
        start = (torch.rand(batch_size, generator=generator, device=taken.device) * room).long()
        shift = (taken.int().argmax(1) - start).unsqueeze(1)
        return (torch.arange(count, device=taken.device) + shift) % count

    def _closed_off(self, tokens: Tensor) -> Tensor:
        """Returns the grids of ``tokens (B, L)`` with new EOS at their bounds."""
        coloured = self._canvas(tokens) >= FIRST_COLOUR
        before = torch.zeros_like(coloured)
        before[:, 1:] |= coloured[:, :-1]
        before[:, :, 1:] |= coloured[:, :, :-1]
        return torch.where(coloured.flatten(1), tokens, torch.where(before.flatten(1), EOS, PAD_ID))

    def symmetry_key(self, inputs: Tokens) -> npt.NDArray[np.uint64]:
        """Returns a hash of the input's grid that ignores position, symmetry and colours, ``(N,)`` uint64."""
        return np.array([zlib.crc32(canonical(self.read_grid(row, row))) for row in inputs], dtype=np.uint64)

    def read_grid(self, inputs: Tokens, answer: Tokens) -> Grid:
        """Reads the grid of an answer ``(L,)`` to a puzzle ``(L,)``, as `hrm_env.tasks.arc.grids.read` does."""
        shape = self.spec.height, self.spec.width
        return read(inputs.reshape(shape), answer.reshape(shape))

    def encode(self, text: str) -> Tokens:
        """Encodes text as every task does; ``_`` is PAD, so that `encode` inverts `decode`.

        Raises:
            ValueError: The text has another length or a character outside the alphabet.
        """
        tokens = super().encode(text.replace("_", self.alphabet[0]))
        tokens[np.array(list(text)) == "_"] = PAD_ID
        return tokens

    def _canvas(self, tokens: Tensor) -> Tensor:
        return tokens.reshape(-1, self.spec.height, self.spec.width)


def _outer(rows: Tensor, columns: Tensor) -> Tensor:
    """Returns the cells ``(B, H, W)`` in marked rows ``(B, H)`` and marked columns ``(B, W)``."""
    return rows.unsqueeze(2) & columns.unsqueeze(1)


def _run(line: Tensor, distance: Tensor) -> Tensor:
    """Returns the length of the run of set cells in ``line (B, n)`` that begins at distance 0, ``(B,)``."""
    return (line | (distance < 0)).int().cumprod(1).sum(1) - (distance < 0).sum(1)
