"""One answer to an ARC test out of the answers to all its variants, its score, and the file that ARC Prize takes.

As in the HRM reference code (``arc_eval.ipynb``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_env.files import atomic_write
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.tasks.arc.grids import Grid, parse_name
from hrm_env.tasks.arc.task import Arc

Candidates = dict[str, list[list[Grid]]]
"""By task, for each of its test pairs: the different grids that were answered, the best first."""

_ATTEMPTS = (1, 2)


def vote(task: Arc, puzzles: Puzzles, answers: Tokens, q_halt: npt.NDArray[np.floating[Any]]) -> Candidates:
    """Brings all answers back to the task as it was and counts them.

    The grid that most variants agree on comes first, of equally many the one with the higher mean probability of being
    right, sigmoid(q_halt). Rows ask the same where the name of their puzzle id tells the same task and the input is the
    same, once the variant is undone.

    Args:
        task: The canvas.
        puzzles: N test puzzles, from `hrm_env.tasks.arc.build` or a folder built by the reference code.
        answers: ``(N, L)`` uint8.
        q_halt: Logits, ``(N,)``.
    """
    ballots: dict[str, dict[bytes, dict[bytes, list[tuple[float, Grid]]]]] = {}
    right = np.exp(-np.logaddexp(0, -q_halt.astype(np.float64)))  # sigmoid
    originals = tqdm(_originals(task, puzzles, answers), "counting votes", len(puzzles), delay=1, leave=False)
    for (id, asked, answer), q in zip(originals, right.tolist(), strict=True):
        ballots.setdefault(id, {}).setdefault(_key(asked), {}).setdefault(_key(answer), []).append((q, answer))
    return {id: [_ranked(list(box.values())) for box in tests.values()] for id, tests in ballots.items()}


def _ranked(votes: list[list[tuple[float, Grid]]]) -> list[Grid]:
    votes.sort(key=lambda same: (len(same), sum(q for q, _ in same) / len(same)), reverse=True)
    return [same[0][1] for same in votes]


def score(task: Arc, puzzles: Puzzles, candidates: Candidates) -> dict[str, float]:
    """The share that is right with one and with two attempts.

    Returns:
        ``pass@k``: of the tasks all of whose test pairs are right; ``pass@k_pairs``: of the test pairs. Tasks with an
        unpublished output do not count; empty where there are no others.
    """
    solutions: dict[str, dict[bytes, Grid]] = {}
    for id, asked, solution in _originals(task, puzzles, puzzles.solution):
        solutions.setdefault(id, {}).setdefault(_key(asked), solution)
    published = {id: list(tests.values()) for id, tests in solutions.items() if all(map(np.size, tests.values()))}
    figures: dict[str, float] = {}
    for attempts in _ATTEMPTS if published else ():
        right = [
            [
                any(np.array_equal(solution, grid) for grid in grids[:attempts])
                for solution, grids in zip(tests, candidates[id], strict=True)
            ]
            for id, tests in published.items()
        ]
        figures[f"pass@{attempts}"] = float(np.mean([all(tests) for tests in right]))
        figures[f"pass@{attempts}_pairs"] = float(np.mean([pair for tests in right for pair in tests]))
    return figures


def submission(candidates: Candidates) -> dict[str, list[dict[str, list[list[int]]]]]:
    """The two best grids of every test pair as ARC Prize wants them; the only one twice where there is no second."""
    return {
        id: [{f"attempt_{n}": _rows(grid) for n, grid in zip(_ATTEMPTS, 2 * grids, strict=False)} for grids in tests]
        for id, tests in candidates.items()
    }


def write_submission(path: Path, candidates: Candidates) -> None:
    """Writes `submission` as JSON.

    Raises:
        OSError: The file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(json.dumps(submission(candidates)).encode())


def _rows(grid: Grid) -> list[list[int]]:
    rows: list[list[int]] = grid.tolist()
    return rows or [[0]]  # an answer without any grid is wrong, but must have the form of one


def _originals(task: Arc, puzzles: Puzzles, answers: Tokens) -> Iterator[tuple[str, Grid, Grid]]:
    """Task, input grid and answered grid of every row, with its variant undone."""
    undoing = {}
    for number, asked, answer in zip(puzzles.puzzle_id.tolist(), puzzles.inputs, answers, strict=True):
        if number not in undoing:
            id, variant = parse_name(puzzles.names[number])
            undoing[number] = id, variant.inverse()
        id, inverse = undoing[number]
        yield id, inverse.apply(task.read_grid(asked, asked)), inverse.apply(task.read_grid(asked, answer))


def _key(grid: Grid) -> bytes:
    return bytes(grid.shape) + grid.tobytes()
