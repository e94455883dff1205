"""The content of a drawing: cells with their kind, arranged in panels."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_env.task import PAD_ID, PuzzleTask


class Kind(Enum):
    """Kind of a cell."""

    GIVEN = auto()
    OPEN = auto()
    RIGHT = auto()
    WRONG = auto()
    UNKNOWN = auto()


class Cell(NamedTuple):
    """One drawn cell.

    Attributes:
        char: Character of the cell, empty for a blank.
        kind: Kind of the cell.
        changed: Whether the answer differs from the previous one.
        conflict: Whether the answer breaks a rule here, according to the task.
    """

    char: str
    kind: Kind
    changed: bool = False
    conflict: bool = False


class Panel(NamedTuple):
    """A titled grid of cells; it has no rows if there is nothing to show."""

    title: str
    rows: list[list[Cell]]


class Shown(NamedTuple):
    """The tokens ``(L,)`` to draw, None where there are none.

    Attributes:
        inputs: The question.
        answer: The agent's answer.
        solution: The solution that the answer is compared with.
        previous: The previous answer.
    """

    inputs: npt.ArrayLike
    answer: npt.ArrayLike | None = None
    solution: npt.ArrayLike | None = None
    previous: npt.ArrayLike | None = None


def panels(task: PuzzleTask, shown: Shown) -> list[Panel]:
    """Returns one panel, or three (question, answer, solution) if the task's style asks for panels."""
    if not task.style.panels:
        return [Panel("", _rows(task, shown))]
    inputs, answer, solution, previous = (None if tokens is None else np.asarray(tokens) for tokens in shown)
    assert inputs is not None
    found = [Panel("input", _cropped(task, inputs, inputs)), Panel("prediction", []), Panel("target", [])]
    if answer is not None:
        corner = inputs if solution is None else solution
        found[1] = Panel("prediction", _cropped(task, answer, corner, solution, previous))
        if solution is not None:
            found[2] = Panel("target", _cropped(task, solution, solution))
    return found


def _rows(task: PuzzleTask, shown: Shown) -> list[list[Cell]]:
    """Returns the cells row by row; for a task without blanks, the question's rows, then the answer's."""
    length, width = task.spec.seq_len, task.spec.width
    asked = np.asarray(shown.inputs).tolist()
    answers, solutions, before = (
        [None] * length if tokens is None else np.asarray(tokens).tolist() for tokens in shown[1:]
    )
    conflicts = [False] * length if shown.answer is None else task.conflicts(np.asarray(shown.answer)).tolist()
    cells = []
    if task.blank is None:
        cells = [_cell(task, token, None, None, None, False) for token in asked]
        asked = [task.blank_id] * length
    cells += [_cell(task, *tokens) for tokens in zip(asked, answers, solutions, before, conflicts, strict=True)]
    return [cells[start : start + width] for start in range(0, len(cells), width)]


def _cell(
    task: PuzzleTask, asked: int, answer: int | None, solution: int | None, before: int | None, conflict: bool
) -> Cell:
    shown = asked if answer is None else answer
    if asked != task.blank_id:
        kind = Kind.GIVEN if shown == asked else Kind.WRONG
    elif answer is None:
        kind = Kind.OPEN
    else:
        kind = _judged(answer, None if solution == PAD_ID else solution)
    char = "" if shown == task.blank_id else task.decode([shown])
    return Cell(char, kind, before is not None and before != answer, conflict)


def _judged(answer: int, solution: int | None) -> Kind:
    if solution is None:
        return Kind.UNKNOWN
    return Kind.RIGHT if answer == solution else Kind.WRONG


def _cropped(
    task: PuzzleTask,
    tokens: npt.NDArray[np.integer],
    framed: npt.NDArray[np.integer],
    solution: npt.NDArray[np.integer] | None = None,
    previous: npt.NDArray[np.integer] | None = None,
) -> list[list[Cell]]:
    """Returns the cells of a painted grid, cropped to it, and compared with a solution if there is one.

    The grid begins at the first painted cell of ``framed`` and ends before the first row or column that is less than
    half painted. So every answer has a picture, with holes at unpainted cells.
    """
    canvas = task.spec.height, task.spec.width
    paints = [task.alphabet.index(char) + 1 for char in task.style.paints]
    beginning = np.isin(framed, paints).reshape(canvas)
    top, left = int(beginning.any(1).argmax()), int(beginning.any(0).argmax())
    painted = np.isin(tokens, paints)
    inside = painted.reshape(canvas)[top:, left:]
    width = _run(np.append(True, inside[0, 1:]))  # the corner itself may be a hole
    height = _run(inside[:, :width].mean(1) >= 0.5)
    width = _run(inside[:height].mean(0) >= 0.5)  # again, because a hole in the first row ends it too early
    places = np.arange(len(tokens)).reshape(canvas)[top : top + height, left : left + width]

    def cell(at: int) -> Cell:
        kind = _judged(int(tokens[at]), None if solution is None else int(solution[at]))
        char = task.decode([tokens[at]]) if painted[at] else ""
        return Cell(char, kind, changed=previous is not None and bool(previous[at] != tokens[at]))

    return [[cell(at) for at in row] for row in places.tolist()]


def _run(line: npt.NDArray[np.bool_]) -> int:
    """Returns the length of the leading run of True, at least 1."""
    return max(1, int(np.append(line, False).argmin()))
