"""Makes puzzles easier by filling in blank cells from the solution.

HRM trained on hard puzzles alone fails on nearly finished ones, because it has never seen any (arXiv 2601.10679).
"""

from __future__ import annotations

import torch

from hrm_env.checks import check_number, shortened
from hrm_env.task import PuzzleBatch, PuzzleTask


def fill_in(
    batch: PuzzleBatch, blank_id: int, bounds: tuple[float, float], share: float, generator: torch.Generator
) -> PuzzleBatch:
    """Keeps each blank cell with a probability of its puzzle's own, and fills in the others.

    Args:
        batch: Puzzles ``(B, L)``.
        blank_id: Token of a blank cell.
        bounds: Bounds of the uniform distribution from which each puzzle's probability is drawn.
        share: Probability that a puzzle is eased at all.
        generator: Random generator on the batch's device.
    """
    device, (low, high) = batch.inputs.device, bounds
    eased, spread = torch.rand(2, len(batch.inputs), 1, generator=generator, device=device)
    kept = torch.where(eased < share, low + (high - low) * spread, 1.0)
    given_away = torch.rand(batch.inputs.shape, generator=generator, device=device) >= kept
    return batch._replace(
        inputs=torch.where((batch.inputs == blank_id) & given_away, batch.solution, batch.inputs),
    )


def check_blanks(task: PuzzleTask, fraction: float | tuple[float, float], share: float) -> tuple[float, float]:
    """Returns the bounds that ``blank_fraction`` gives.

    Raises:
        ValueError: A number lies outside 0 to 1, the bounds do not ascend, or the task has no blank cells.
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
