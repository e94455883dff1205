"""A mixer for Sudoku: candidates hear of those that they exclude."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrm_agent.cores.layers import Linear


class UnitMixer(nn.Module):
    """Tells every candidate the means of the units that it lies in, each through a linear map of its own.

    A candidate is a digit in a cell, and of each of its units exactly one candidate is right: the digits of its cell,
    and its digit's cells in the row, the column and the box. Of the box it also hears the means of its own row and of
    its own column there, from which follows where else the digit can be. The message passing of recurrent relational
    networks (arXiv 1711.08028), with means in place of a message for every pair.

    It is the same for all cells and digits: a permutation of the digits, of the bands, the rows of a band, the stacks
    or the columns of a stack permutes what it returns.

    Args:
        dim: Width D.
        box: Rows and columns of a box; a row of 1 by K makes a Latin square.
    """

    def __init__(self, dim: int, box: tuple[int, int]) -> None:
        super().__init__()
        rows, columns = box
        digits = rows * columns
        self.grid = (digits // rows, rows, digits // columns, columns, digits)
        self.row, self.column, self.box = (Linear(dim, dim) for _ in range(3))
        self.row_of_box, self.column_of_box, self.cell = (Linear(dim, dim) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, L·K, D)`` to ``(B, L·K, D)``."""
        grid = x.unflatten(1, self.grid)  # B, band, row, stack, column, digit, D
        row_of_box = grid.mean(4, keepdim=True)
        column_of_box = grid.mean(2, keepdim=True)
        box = row_of_box.mean(2, keepdim=True)
        along_row = self.row(row_of_box.mean(3, keepdim=True)) + self.row_of_box(row_of_box) + self.box(box)
        along_column = self.column(column_of_box.mean(1, keepdim=True)) + self.column_of_box(column_of_box)
        mixed: Tensor = along_row + along_column + self.cell(grid.mean(5, keepdim=True))
        return torch.flatten(mixed, 1, 5)
