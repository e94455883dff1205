"""Breadth-first search in many mazes at once. The rows of a maze are bit masks: a set of cells is ``(H, S)`` integers.

Bit c of row r is the cell in column c; S mazes lie side by side, so that a step of the search is a few shifts and ors.
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
"""Columns that fit an int64 without its sign."""


class Flood(NamedTuple):
    """How far a search came in each of S mazes.

    Attributes:
        steps: Steps in which something grew, ``(S,)`` int64.
        last: The cells reached by the last of them, ``(H, S)``.
    """

    steps: npt.NDArray[np.int64]
    last: Masks


def longest_path(height: int, width: int) -> int:
    """Cells that no shortest path exceeds: it holds at most three of a 2×2 block, as the fourth is a detour."""
    return height * width - (height // 2) * (width // 2)


def column_bits(width: int) -> Masks:
    """The bit of each column ``(W,)``, of the smallest type that holds a row."""
    return 1 << np.arange(width, dtype=np.min_scalar_type((1 << width) - 1))


def pack(cells: npt.NDArray[np.bool_]) -> Masks:
    """Bit masks ``(H, S)`` of cells ``(S, H, W)``."""
    count, height, width = cells.shape
    dtype = column_bits(width).dtype
    padded = np.zeros((count, height, 8 * dtype.itemsize), dtype=np.bool_)
    padded[:, :, :width] = cells
    masks = np.packbits(padded, bitorder="little").view(dtype.newbyteorder("<"))
    return masks.reshape(count, height).T.astype(dtype, order="C")


def single_cells(cells: npt.NDArray[np.int64], height: int, width: int) -> Masks:
    """Bit masks ``(H, S)`` that hold one cell each, given as row and column ``(S, 2)``."""
    bits = column_bits(width)
    masks = np.zeros((height, len(cells)), dtype=bits.dtype)
    masks[cells[:, 0], np.arange(len(cells))] = bits[cells[:, 1]]
    return masks


def pack_tensor(cells: Tensor) -> Tensor:
    """`pack` on a device: ``(S, H, W)`` bool to ``(H, S)`` int64."""
    return (cells.long() << torch.arange(cells.shape[2], device=cells.device)).sum(2).T


def grow(reached: Cells, free: Cells) -> Cells:
    """One step: the cells reached and their free neighbours, ``(H, S)``."""
    grown = reached << 1
    grown |= reached >> 1
    grown |= reached
    grown[1:] |= reached[:-1]
    grown[:-1] |= reached[1:]
    grown &= free
    return grown


def spread(reached: Masks, free: Masks, steps: int) -> Masks:
    """What is reached after so many steps, ``(H, S)``."""
    for _ in range(steps):
        grown = grow(reached, free)
        if np.array_equal(grown, reached):
            break
        reached = grown
    return reached


def flood(free: Masks, start: Masks, limit: int) -> Flood:
    """Spreads from the start cells ``(H, S)`` through the free ones ``(H, S)``, for at most ``limit`` steps."""
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
    """Steps from start to goal through free cells.

    A CPU stops when nothing grows any more. A CUDA device must not be waited for, and always takes ``limit`` steps.

    Args:
        free: Start and goal included, ``(H, S)`` int64.
        start: One cell, ``(H, S)`` int64.
        goal: One cell, ``(H, S)`` int64.
        limit: Steps at most.

    Returns:
        ``(S,)`` int64; -1 where the goal is not reached.
    """
    reached, hits = start, [(start & goal).any(0)]
    for _ in range(limit):
        grown = grow(reached, free)
        if free.device.type == "cpu" and torch.equal(grown, reached):
            break
        reached = grown
        hits.append((reached & goal).any(0))
    return torch.where(hits[-1], (~torch.stack(hits)).sum(0), -1)
