"""Removes from training every pair that equals a test pair of an evaluation task up to colours and symmetries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from hrm_env.tasks.arc.files import ArcTask, Pair
from hrm_env.tasks.arc.grids import canonical


def without_leaks(
    training: Sequence[ArcTask], evaluation: Sequence[ArcTask]
) -> tuple[list[ArcTask], list[ArcTask], tuple[str, ...]]:
    """Leaves out tasks and demonstrations that hold a test pair up to symmetries and colours other than 0.

    ARC-1 needs this: its training task 40853293 is its evaluation task 070dd51e. A task's own demonstrations belong to
    the published question, so they are left out only if they equal the test cell by cell. (In 7 of ARC-1's 400
    evaluation tasks, a demonstration is a rotated or recoloured test.) A test without a published output matches none.

    Returns:
        The remaining training tasks; the evaluation tasks with their remaining demonstrations; and a sentence for each
        training task and each demonstration left out.
    """
    tests = _Tests(evaluation)
    kept_training, kept_evaluation, left_out = [], [], []
    for task in training:
        told = next(filter(None, (tests.told_by(pair) for pair in task.pairs["train"] + task.pairs["test"])), None)
        if told is None:
            kept_training.append(task)
        else:
            left_out.append(f"training task {task.id} holds a test pair of evaluation task {told}")
    for task in evaluation:
        kept = []
        for number, pair in enumerate(task.pairs["train"], 1):
            told = tests.told_by(pair, task.id)
            if told is None:
                kept.append(pair)
            else:
                left_out.append(
                    f"train pair {number} of evaluation task {task.id} is a test pair of evaluation task {told}"
                )
        kept_evaluation.append(ArcTask(task.id, {"train": kept, "test": task.pairs["test"]}))
    return kept_training, kept_evaluation, tuple(left_out)


class _Tests:
    """All test pairs with a published output, by a key that their variants share."""

    def __init__(self, tasks: Sequence[ArcTask]) -> None:
        found: dict[bytes, list[tuple[str, Pair]]] = defaultdict(list)
        for task in tasks:
            for pair in task.pairs["test"]:
                if pair.output is not None:
                    found[_key(pair)].append((task.id, pair))
        self._found = dict(found)

    def told_by(self, pair: Pair, own_task: str | None = None) -> str | None:
        """Returns the task of which a pair is a test in some variant; in its own task, only the test itself counts."""
        for id, test in self._found.get(_key(pair), []):
            if id != own_task or _same(pair, test):
                return id
        return None


def _same(first: Pair, second: Pair) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))  # type: ignore[arg-type]


def _key(pair: Pair) -> bytes:
    return canonical(*(grid for grid in pair if grid is not None))
