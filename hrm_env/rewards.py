"""Reward functions: what an answer is worth when the episode ends."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from hrm_env.grading import cell_accuracy, exact_match
from hrm_env.task import PuzzleBatch, PuzzleTask

Reward = Callable[[PuzzleTask, PuzzleBatch, Tensor], Tensor]
"""From task, puzzles and answers ``(B, L)`` to rewards ``(B,)`` float32."""


def exact(task: PuzzleTask, batch: PuzzleBatch, answer: Tensor) -> Tensor:
    """1 where the answer equals the stored solution, else 0."""
    return exact_match(answer, batch.solution).float()


def cells(task: PuzzleTask, batch: PuzzleBatch, answer: Tensor) -> Tensor:
    """Share of cells that equal the stored solution."""
    return cell_accuracy(answer, batch.solution)


def rules(task: PuzzleTask, batch: PuzzleBatch, answer: Tensor) -> Tensor:
    """1 where the answer solves the puzzle by the task's own check, else 0: no stored solution is read."""
    return task.check(batch.inputs, answer).float()


REWARDS: dict[str, Reward] = {"exact": exact, "cells": cells, "rules": rules}
