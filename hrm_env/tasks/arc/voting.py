"""Votes on ARC tests among the answers to all variants, scores them, and writes the submission file of ARC Prize.

Source: ``arc_eval.ipynb`` of the HRM reference code.
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
"""By task, for each of its test pairs: the distinct answered grids, the best first."""

_ATTEMPTS = (1, 2)


def vote(task: Arc, puzzles: Puzzles, answers: Tokens, q_halt: npt.NDArray[np.floating[Any]]) -> Candidates:
    """Undoes the variants of all answers and counts equal grids.

    The grid with the most votes comes first; among equals, the one with the highest mean probability of being right,
    sigmoid(q_halt). Rows belong to one test pair if their puzzle ids name the same task and their inputs are equal
    after the variant is undone.

    Args:
        task: The canvas.
        puzzles: N test puzzles, from `hrm_env.tasks.arc.build` or a folder built by the reference code.
        answers: Answer tokens, ``(N, L)`` uint8.
        q_halt: Logits of being right, ``(N,)``.
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
    """Scores the candidates with one and with two attempts.

    Returns:
        ``pass@k``, the share of tasks whose test pairs are all right, and ``pass@k_pairs``, the share of right test
        pairs. Tasks with an unpublished output do not count; empty if there are no others.
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
    """Returns the two best grids of every test pair in ARC Prize's form; a single grid appears twice."""
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
    return rows or [[0]]  # an answer without a grid is wrong, but must have the form of a grid


def _originals(task: Arc, puzzles: Puzzles, answers: Tokens) -> Iterator[tuple[str, Grid, Grid]]:
    """Yields task, input grid and answered grid of every row, with its variant undone."""
    undoing = {}
    for number, asked, answer in zip(puzzles.puzzle_id.tolist(), puzzles.inputs, answers, strict=True):
        if number not in undoing:
            id, variant = parse_name(puzzles.names[number])
            undoing[number] = id, variant.inverse()
        id, inverse = undoing[number]
        yield id, inverse.apply(task.read_grid(asked, asked)), inverse.apply(task.read_grid(asked, answer))


def _key(grid: Grid) -> bytes:
    return bytes(grid.shape) + grid.tobytes()
