"""Grades answers. Positions whose solution is `PAD_ID` are not graded."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hrm_env.task import PAD_ID


class Grade(NamedTuple):
    """Grades of B answers: `exact_match` ``(B,)`` bool and `cell_accuracy` ``(B,)`` float32."""

    exact: Tensor
    cells: Tensor


def grade(answer: Tensor, solution: Tensor) -> Grade:
    """Computes both grades of answers ``(B, L)`` at the cost of one."""
    graded = solution != PAD_ID
    right, count = (cells.sum(-1, dtype=torch.int32) for cells in ((answer == solution) & graded, graded))
    return Grade((right == count) & (count > 0), right / count.clamp(min=1))


def exact_match(answer: Tensor, solution: Tensor) -> Tensor:
    """Returns whether every graded position of ``answer (B, L)`` is right, ``(B,)`` bool: the paper's metric.

    If no position is graded, because no solution is known, no answer is right.
    """
    return grade(answer, solution).exact


def cell_accuracy(answer: Tensor, solution: Tensor) -> Tensor:
    """Returns the share of graded positions of ``answer (B, L)`` that are right, ``(B,)`` float32."""
    return grade(answer, solution).cells
