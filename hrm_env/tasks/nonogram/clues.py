"""The clue of a line as one number, whose digits are the lengths of the line's runs."""

from __future__ import annotations

import torch
from torch import Tensor


def clues_of_lines(lines: Tensor) -> Tensor:
    """Returns the clue of each line of zeros and ones.

    Args:
        lines: Lines of n cells, ``(..., n)`` int64; ones are filled.

    Returns:
        Numbers that, written to base n + 1, have the lengths of the runs of ones as digits, in order: ``(...)`` int64.
        A line without ones has 0.
    """
    base = lines.shape[-1] + 1
    clues = before = torch.zeros_like(lines[..., 0])
    for cell in lines.unbind(-1):
        clues = clues * torch.where(cell > before, base, 1) + cell
        before = cell
    return clues


def clues_of_numbers(numbers: Tensor, size: int) -> Tensor:
    """Returns the clues of lines of ``size`` cells whose runs have these lengths.

    Args:
        numbers: Lengths in order, ``(..., m)`` int64; zeros, wherever they stand, count for nothing.
        size: Cells n of a line.
    """
    clues = torch.zeros_like(numbers[..., 0])
    for number in numbers.unbind(-1):
        clues = torch.where(number > 0, clues * (size + 1) + number, clues)
    return clues


def numbers_of_clues(clues: Tensor, size: int) -> Tensor:
    """Returns the lengths of the runs, ``(..., m)`` with m = ⌈n / 2⌉: zeros in front, then the numbers in order."""
    places = (size + 1) ** torch.arange((size + 1) // 2, device=clues.device).flip(0)
    return clues.unsqueeze(-1) // places % (size + 1)
