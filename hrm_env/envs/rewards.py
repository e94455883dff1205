"""Reward functions: the value of an answer at the end of an episode."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hrm_env.checks import shortened
from hrm_env.envs.grading import cell_accuracy, exact_match
from hrm_env.task import PuzzleBatch, PuzzleTask

Reward = Callable[[PuzzleTask, PuzzleBatch, Tensor], Tensor]
"""From task, puzzles and answers ``(B, L)`` to rewards ``(B,)`` float32."""


def exact(task: PuzzleTask, batch: PuzzleBatch, answer: Tensor) -> Tensor:
    """Returns 1 for an answer that equals the stored solution, else 0."""
    return exact_match(answer, batch.solution).float()


def cells(task: PuzzleTask, batch: PuzzleBatch, answer: Tensor) -> Tensor:
    """Returns the share of graded cells that equal the stored solution."""
    return cell_accuracy(answer, batch.solution)


def rules(task: PuzzleTask, batch: PuzzleBatch, answer: Tensor) -> Tensor:
    """Returns 1 for an answer that passes the task's own check, else 0. Reads no stored solution."""
    return task.check(batch.inputs, answer).float()


REWARDS: dict[str, Reward] = {"exact": exact, "cells": cells, "rules": rules}


def reward_of(given: Any) -> Reward:
    """Returns the reward function that an option names or is.

    Raises:
        ValueError: The option is no name in `REWARDS` and no function of (task, batch, answer).
    """
    if isinstance(given, str) and given in REWARDS:
        return REWARDS[given]
    if not callable(given):
        raise ValueError(f"reward: expected one of {', '.join(REWARDS)} or a function, found {shortened(given)}")
    try:
        signature = inspect.signature(given)
    except ValueError:  # some functions written in C have no signature; `try_reward` tests them
        return given  # type: ignore[no-any-return]
    try:
        signature.bind("task", "batch", "answer")
    except TypeError as error:  # raised by `bind`, which runs no code of the function
        found = f"{getattr(given, '__name__', type(given).__name__)}{signature}"
        raise ValueError(f"reward: expected a function of (task, batch, answer), found {shortened(found)}") from error
    return given  # type: ignore[no-any-return]


def try_reward(reward: Reward, task: PuzzleTask, stored: PuzzleBatch) -> None:
    """Calls a user's reward function once, on the solutions of two puzzles; its own errors pass through.

    Args:
        reward: The function.
        task: The puzzle family.
        stored: The environment's puzzles ``(N, L)``.

    Raises:
        ValueError: The function returns anything but one real number per answer.
    """
    if reward in REWARDS.values():
        return
    rows = torch.tensor([0, -1], device=stored.inputs.device) % len(stored.inputs)
    batch = PuzzleBatch(*(tensor.index_select(0, rows).long() for tensor in stored))
    value = reward(task, batch, batch.solution)
    tensor = isinstance(value, Tensor)
    if not tensor or value.shape != (2,) or value.is_complex() or value.dtype == torch.bool:
        found = f"{value.dtype} {tuple(value.shape)}" if tensor else shortened(value)
        raise ValueError(f"reward: expected a tensor with one number for each of 2 answers, found {found}")
