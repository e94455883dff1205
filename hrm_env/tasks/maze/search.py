"""Breadth-first search in many mazes at once. Rows of a maze are bit masks, so a set of cells is ``(H, S)`` integers.

Bit c of row r is the cell in column c. S mazes lie side by side, so that a step of the search is a few shifts and ors.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Masks = npt.NDArray[np.integer[Any]]
Cells = TypeVar("Cells", Masks, Tensor)

LONGEST_ROW = 63
"""Number of columns that fit into an int64 without its sign bit."""


class Flood(NamedTuple):
    """Extent of a search in each of S mazes.

    Attributes:
        steps: Number of steps that reached new cells, ``(S,)`` int64.
        last: Cells reached by the last of these steps, ``(H, S)``.
    """

    steps: npt.NDArray[np.int64]
    last: Masks


def longest_path(height: int, width: int) -> int:
    """Returns an upper bound of a shortest path in cells: it holds at most three cells of each 2×2 block."""
    return height * width - (height // 2) * (width // 2)


def column_bits(width: int) -> Masks:
    """Returns the bit of each column, ``(W,)``, in the smallest dtype that holds a row."""
    return 1 << np.arange(width, dtype=np.min_scalar_type((1 << width) - 1))


def pack(cells: npt.NDArray[np.bool_]) -> Masks:
    """Returns bit masks ``(H, S)`` of cells ``(S, H, W)``."""
    count, height, width = cells.shape
    dtype = column_bits(width).dtype
    padded = np.zeros((count, height, 8 * dtype.itemsize), dtype=np.bool_)
    padded[:, :, :width] = cells
    masks = np.packbits(padded, bitorder="little").view(dtype.newbyteorder("<"))
    return masks.reshape(count, height).T.astype(dtype, order="C")


def single_cells(cells: npt.NDArray[np.int64], height: int, width: int) -> Masks:
    """Returns bit masks ``(H, S)`` with one cell each, given as row and column ``(S, 2)``."""
    bits = column_bits(width)
    masks = np.zeros((height, len(cells)), dtype=bits.dtype)
    masks[cells[:, 0], np.arange(len(cells))] = bits[cells[:, 1]]
    return masks


def pack_tensor(cells: Tensor) -> Tensor:
    """Does what `pack` does on a device: ``(S, H, W)`` bool to ``(H, S)`` int64."""
    return (cells.long() << torch.arange(cells.shape[2], device=cells.device)).sum(2).T


def grow(reached: Cells, free: Cells) -> Cells:
    """Returns the reached cells and their free neighbours, ``(H, S)``."""
    grown = reached << 1
    grown |= reached >> 1
    grown |= reached
    grown[1:] |= reached[:-1]
    grown[:-1] |= reached[1:]
    grown &= free
    return grown


def spread(reached: Masks, free: Masks, steps: int) -> Masks:
    """Returns the cells reached after ``steps`` further steps, ``(H, S)``."""
    for _ in range(steps):
        grown = grow(reached, free)
        if np.array_equal(grown, reached):
            break
        reached = grown
    return reached


def flood(free: Masks, start: Masks, limit: int) -> Flood:
    """Spreads from the start cells ``(H, S)`` through the free cells ``(H, S)`` for at most ``limit`` steps."""
    reached = [start]
    steps = np.zeros(start.shape[1], dtype=np.int64)
    while len(reached) <= limit:
        grown = grow(reached[-1], free)
        growing = (grown != reached[-1]).any(axis=0)
        if not growing.any():
            break
        reached.append(grown)
        steps += growing
    history, mazes = np.stack(reached), np.arange(len(steps))
    return Flood(steps, (history[steps, :, mazes] ^ history[np.maximum(steps - 1, 0), :, mazes]).T)


def distance(free: Tensor, start: Tensor, goal: Tensor, limit: int) -> Tensor:
    """Returns the number of steps from start to goal through free cells.

    The CPU stops when no new cell is reached. A CUDA device always takes ``limit`` steps, to avoid a synchronisation.

    Args:
        free: Free cells, including start and goal, ``(H, S)`` int64.
        start: One cell, ``(H, S)`` int64.
        goal: One cell, ``(H, S)`` int64.
        limit: Largest number of steps.

    Returns:
        Steps, ``(S,)`` int64; -1 where the goal is not reached.
    """
    reached, hits = start, [(start & goal).any(0)]
    for _ in range(limit):
        grown = grow(reached, free)
        if free.device.type == "cpu" and torch.equal(grown, reached):
            break
        reached = grown
        hits.append((reached & goal).any(0))
    return torch.where(hits[-1], (~torch.stack(hits)).sum(0), -1)
