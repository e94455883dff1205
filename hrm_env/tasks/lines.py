"""A solver for grids of two digits in which every row and column must be one of given words, in compiled loops.

A word is the bit mask of a whole line: bit p is set if place p holds the second digit. The solver keeps the words that
fit what is known of a line, and learns every place at which all of them agree. Takuzu gives every line the same words,
a nonogram gives each line those of its numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_env.tasks.solving import Integers, Priorities, SearchResult, compiled, on_all_cores

Masks = npt.NDArray[np.int64]
FIRST, SECOND, BOTH = 1, 2, 3  # candidates of a cell, as a bit mask


class Lines(NamedTuple):
    """The lines of a grid of n×n cells; all arrays are int64.

    Attributes:
        cells: Cells of each row, then of each column, ``(2n, n)``.
        words: The words, ``(K,)``.
        distinct: Whether no two rows, and no two columns, may be equal.
    """

    cells: Masks
    words: Masks
    distinct: bool


def square_lines(size: int, words: Masks, distinct: bool) -> Lines:
    """Returns the rows and columns of a grid of ``size`` × ``size`` cells."""
    cells = np.arange(size * size).reshape(size, size)
    return Lines(np.concatenate([cells, cells.T]), words, distinct)


@compiled
def _known(stack: Integers, top: int, cells: Integers, line: int) -> tuple[int, int]:
    """Returns the places of a line that are known to hold the first and the second digit, as bit masks."""
    first = second = 0
    for place in range(cells.shape[1]):
        mask = stack[top, cells[line, place]]
        first |= (mask == 1) << place
        second |= (mask == 2) << place
    return first, second


@compiled
def _taken(complete: Integers, line: int, word: int) -> bool:
    """Returns whether another line of the same direction is complete and equals the word."""
    half = complete.shape[0] // 2
    start = 0 if line < half else half
    taken = False
    for other in range(start, start + half):
        taken |= other != line and complete[other] == word
    return taken


@compiled
def _reason_about(stack: Integers, top: int, lines: Lines, spans: Integers, line: int, complete: Integers) -> int:
    """Keeps what the words of a line have in common; returns the number of cells learned, -1 on a contradiction."""
    first, second = _known(stack, top, lines.cells, line)
    full = (1 << lines.cells.shape[1]) - 1
    some, every, fitting = 0, full, 0
    for number in range(spans[line, 0], spans[line, 1]):
        word = lines.words[number]
        if word & first or word & second != second or (lines.distinct and _taken(complete, line, word)):
            continue
        some |= word
        every &= word
        fitting += 1
    if fitting == 0:
        return -1
    complete[line] = some if some == every else -1
    learned = 0
    for place in range(lines.cells.shape[1]):
        if (first | second) >> place & 1:
            continue
        mask = (1 - (every >> place & 1)) | (some >> place & 1) << 1
        if mask != 3:
            stack[top, lines.cells[line, place]] = mask
            learned += 1
    return learned


@compiled
def _propagate(stack: Integers, top: int, lines: Lines, spans: Integers, complete: Integers) -> bool:
    """Reasons about single lines until nothing is learned; returns False on a contradiction."""
    full = (1 << lines.cells.shape[1]) - 1
    for line in range(spans.shape[0]):
        first, second = _known(stack, top, lines.cells, line)
        complete[line] = second if first | second == full else -1
    learned = 1
    while learned:
        learned = 0
        for line in range(spans.shape[0]):
            number = _reason_about(stack, top, lines, spans, line, complete)
            if number < 0:
                return False
            learned += number
    return True


@compiled
def _split(stack: Integers, top: int, size: int, priority: Priorities) -> bool:
    """Splits at an open cell: the grid above ``top`` holds one digit there, that at ``top`` the other.

    It takes the cell of the highest priority or, without priorities, the first in the most settled row and column.

    Returns:
        False if no cell is open.
    """
    chosen, best = -1, np.float32(-1)
    for cell in range(stack.shape[1]):
        if stack[top, cell] != 3:
            continue
        value = np.float32(0)
        if priority.shape[0]:
            value = priority[cell]
        else:
            row, column = cell // size, cell % size
            for place in range(size):
                value += np.float32(stack[top, row * size + place] != 3)
                value += np.float32(stack[top, place * size + column] != 3)
        if value > best:
            chosen, best = cell, value
    if chosen < 0:
        return False
    stack[top + 1] = stack[top]
    digit = 1 + int(priority[chosen] * 4096) % 2 if priority.shape[0] else 1
    stack[top + 1, chosen] = digit
    stack[top, chosen] = 3 - digit
    return True


@compiled
def _search(
    stack: Integers, lines: Lines, spans: Integers, complete: Integers, limit: int, priority: Priorities
) -> tuple[int, int]:
    """Searches the first grid of the stack; the last solution found is stored at its end.

    Returns:
        Number of solutions found, at most ``limit``, and number of branchings.
    """
    found = guesses = 0
    top = limit - limit  # a literal 0 would compile every called function again
    while top >= 0 and found < limit:
        if not _propagate(stack, top, lines, spans, complete):
            top -= 1
        elif _split(stack, top, lines.cells.shape[1], priority):
            guesses += 1
            top += 1
        else:
            found += 1
            stack[-1] = stack[top]
            top -= 1
    return found, guesses


@compiled
def _memory(cells: int, lines: int) -> tuple[Integers, Integers]:
    """Allocates the stack, a grid per branching and a last one for the solution, and the words of complete lines."""
    return np.empty((cells + 3, cells), np.int64), np.empty(lines, np.int64)


@compiled
def _search_each(
    masks: Integers,
    lines: Lines,
    spans: Integers,
    limit: int,
    priority: Priorities,
    result: tuple[Integers, Integers, Integers],
) -> None:
    """Searches every grid of ``masks (B, L)``."""
    found, guesses, solution = result
    stack, complete = _memory(masks.shape[1], spans.shape[1])
    for row in range(masks.shape[0]):
        stack[0] = masks[row]
        found[row], guesses[row] = _search(stack, lines, spans[row], complete, limit, priority[row])
        if found[row]:
            solution[row] = stack[-1]


@compiled
def _dig_each(masks: Integers, order: Integers, lines: Lines, spans: Integers, priority: Priorities) -> None:
    """Blanks cells of ``masks (B, L)`` in ``order (B, L)`` wherever no solution has the other digit."""
    stack, complete = _memory(masks.shape[1], spans.shape[1])
    for row in range(masks.shape[0]):
        for place in range(masks.shape[1]):
            cell = order[row, place]
            stack[0] = masks[row]
            stack[0, cell] = 3 - stack[0, cell]
            if _search(stack, lines, spans[row], complete, 1, priority)[0] == 0:
                masks[row, cell] = 3


def search_lines(
    lines: Lines, masks: Masks, spans: Masks, limit: int, rng: np.random.Generator | None = None
) -> SearchResult:
    """Counts solutions of ``masks (B, L)`` up to ``limit``.

    Args:
        lines: Rows, columns and words.
        masks: Candidates of each cell: `FIRST`, `SECOND` or `BOTH`; not modified.
        spans: First word of each line and the one after its last, ``(B, 2n, 2)``.
        limit: Number of solutions at which the search of a puzzle stops (2 proves uniqueness).
        rng: Random generator of cells and digits to guess; None takes the most settled lines.
    """
    found, guesses = np.zeros((2, len(masks)), np.int32)
    solution = np.zeros(masks.shape, np.int64)
    priority = np.empty((len(masks), 0), np.float32)
    if rng is not None:
        priority = rng.random(masks.shape, dtype=np.float32)

    def run(rows: slice) -> None:
        result = found[rows], guesses[rows], solution[rows]
        _search_each(masks[rows], lines, spans[rows], limit, priority[rows], result)

    on_all_cores(run, len(masks))
    return SearchResult(found, solution.astype(np.uint8), guesses)


def dig_lines(lines: Lines, masks: Masks, spans: Masks, rng: np.random.Generator) -> Masks:
    """Blanks cells of solved grids ``masks (B, L)`` in random order while the solution stays unique.

    Every cell is tried once, so every cell that stays is needed.

    Args:
        lines: Rows, columns and words.
        masks: `FIRST` or `SECOND` in every cell; not modified.
        spans: First word of each line and the one after its last, ``(B, 2n, 2)``.
        rng: Random generator of the order.

    Returns:
        Candidates of each cell, ``(B, L)``.
    """
    left = masks.copy()
    order: npt.NDArray[Any] = rng.permuted(np.broadcast_to(np.arange(masks.shape[1]), masks.shape), axis=1)

    def run(rows: slice) -> None:
        _dig_each(left[rows], order[rows], lines, spans[rows], np.empty(0, np.float32))

    on_all_cores(run, len(masks))
    return left
