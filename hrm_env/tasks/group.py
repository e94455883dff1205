"""Families with few symmetries: all of them in a table, from which variants are drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.puzzles import Tokens
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleTask


class SmallGroupTask(PuzzleTask):
    """A puzzle family whose symmetries form a group small enough to list.

    Attributes:
        group: Every symmetry once, on the CPU: cells ``(G, L)`` and tokens ``(G, V)``, both int64.
    """

    group: Symmetry

    def __init__(self) -> None:
        self._on: dict[torch.device, Symmetry] = {}

    def symmetries(self, count: int, generator: torch.Generator) -> Symmetry:
        """Draws symmetries; all of the group are equally likely."""
        device = generator.device
        if device not in self._on:  # copied once, because a copy may wait for the device
            self._on[device] = Symmetry(self.group.cells.to(device), self.group.tokens.to(device))
        drawn = torch.randint(len(self.group.cells), (count,), generator=generator, device=device)
        return Symmetry(self._on[device].cells[drawn], self._on[device].tokens[drawn])

    def symmetry_key(self, inputs: Tokens) -> npt.NDArray[np.uint64]:
        """Returns the smallest hash of all symmetric variants, ``(N,)`` uint64."""
        table = zip(self.group.cells.numpy(), self.group.tokens.numpy().astype(np.uint8), strict=True)
        keys = [
            super(SmallGroupTask, self).symmetry_key(self.one_form(tokens[inputs[:, cells]])) for cells, tokens in table
        ]
        least: npt.NDArray[np.uint64] = np.min(keys, axis=0)
        return least

    def one_form(self, inputs: Tokens) -> Tokens:
        """Returns puzzles ``(N, L)`` in one of the ways to write them; by default, there is only one."""
        return inputs


def square_symmetries(side: int, vocab_size: int, margin: int = 0) -> Symmetry:
    """Returns the 8 rotations and reflections of a square grid, which leave the tokens as they are."""
    cells = turned_and_mirrored(side, margin)
    return Symmetry(cells, torch.arange(vocab_size).expand(len(cells), -1))


def turned_and_mirrored(side: int, margin: int = 0) -> Tensor:
    """Returns the cells of the 8 rotations and reflections of a square grid, ``(8, side²)``.

    The number of a variant is 4 · transposed + 2 · upside down + left to right; it is transposed first.

    Args:
        side: Rows of the grid.
        margin: Number of first rows and of first columns that stay in front: they are reflected among themselves.
    """
    grid, forwards = torch.arange(side**2).view(side, side), torch.arange(side)
    ways = forwards, forwards.flip(0).roll(margin)
    return torch.stack(
        [turned[rows][:, columns].flatten() for turned in (grid, grid.mT) for rows in ways for columns in ways]
    )
