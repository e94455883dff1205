"""Grades answers. Positions whose solution is `PAD_ID` are not graded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hrm_env.task import PAD_ID


class Grade(NamedTuple):
    """Grades of B answers: `exact_match` ``(B,)`` bool and `cell_accuracy` ``(B,)`` float32."""

    exact: Tensor
    cells: Tensor


def grade(answer: Any, solution: Any) -> Grade:
    """Computes both grades of answers ``(B, L)`` at the cost of one."""
    library: Any = np if isinstance(answer, np.ndarray) else torch
    graded = solution != PAD_ID
    right, count = (cells.sum(-1, dtype=library.int32) for cells in ((answer == solution) & graded, graded))
    share = library.asarray(right / count.clip(min=1), dtype=library.float32)
    return Grade((right == count) & (count > 0), share)


def exact_match(answer: Tensor, solution: Tensor) -> Tensor:
    """Returns whether every graded position of ``answer (B, L)`` is right, ``(B,)`` bool: the paper's metric.

    If no position is graded, because no solution is known, no answer is right.
    """
    return grade(answer, solution).exact


def cell_accuracy(answer: Tensor, solution: Tensor) -> Tensor:
    """Returns the share of graded positions of ``answer (B, L)`` that are right, ``(B,)`` float32."""
    return grade(answer, solution).cells
