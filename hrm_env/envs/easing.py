"""Easier puzzles out of hard ones: blank cells filled in from the solution.

Trained on hard puzzles alone, HRM fails on nearly finished ones, of which it has seen none (arXiv 2601.10679).
"""

from __future__ import annotations

import torch

from hrm_env.checks import check_number, shortened
from hrm_env.task import PuzzleBatch, PuzzleTask


def fill_in(
    batch: PuzzleBatch, blank_id: int, bounds: tuple[float, float], share: float, generator: torch.Generator
) -> PuzzleBatch:
    """Keeps each blank cell with a probability and gives away the others.

    Args:
        batch: Puzzles ``(B, L)``.
        blank_id: Token of a blank cell.
        bounds: The probability of a puzzle is uniform between these two.
        share: Probability that a puzzle is eased at all.
        generator: On the batch's device.
    """
    device, (low, high) = batch.inputs.device, bounds
    eased, spread = torch.rand(2, len(batch.inputs), 1, generator=generator, device=device)
    kept = torch.where(eased < share, low + (high - low) * spread, 1.0)
    given_away = torch.rand(batch.inputs.shape, generator=generator, device=device) >= kept
    return batch._replace(
        inputs=torch.where((batch.inputs == blank_id) & given_away, batch.solution, batch.inputs),
    )


def check_blanks(task: PuzzleTask, fraction: float | tuple[float, float], share: float) -> tuple[float, float]:
    """The bounds of a ``blank_fraction``.

    Raises:
        ValueError: A number is not within 0 and 1, or the task has no blank cells.
    """
    given = tuple(fraction) if isinstance(fraction, tuple | list) else (fraction, fraction)
    numbers = [check_number("blank_fraction", number, 0, 1) for number in given]
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise ValueError(f"blank_fraction: expected a number or two ascending ones, found {shortened(fraction)}")
    check_number("easier", share, 0, 1)
    bounds = numbers[0], numbers[1]
    if bounds != (1, 1) and task.blank is None:
        raise ValueError(f"blank_fraction: expected 1, as {task.spec.name} has no blank cells, found {fraction!r}")
    return bounds
