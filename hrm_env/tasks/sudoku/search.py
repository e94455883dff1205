"""Depth-first search for the solutions of Sudoku, and removal of clues, in compiled loops."""

from __future__ import annotations

import numpy as np

from hrm_env.tasks.solving import Integers, Priorities, compiled
from hrm_env.tasks.sudoku.propagation import (
    Geometry,
    Memory,
    digits_of_way,
    popcount,
    propagate,
)


@compiled
def _split_cell(stack: Integers, top: int, priority: Priorities) -> None:
    """Splits at the most constrained cell: the grid above ``top`` fixes a digit, that at ``top`` excludes it."""
    fewest, chosen = 99, 0
    for cell in range(stack.shape[1]):
        stack[top + 1, cell] = stack[top, cell]
        number = popcount(stack[top, cell])
        if 1 < number < fewest:
            fewest, chosen = number, cell
    mask = stack[top, chosen]
    digit, best = mask & -mask, np.float32(-1)
    for number in range(priority.shape[1]):
        if mask >> number & 1 and priority[chosen, number] > best:
            best, digit = priority[chosen, number], 1 << number
    stack[top + 1, chosen] = digit
    stack[top, chosen] = mask & ~digit


@compiled
def _tightest(stack: Integers, top: int, bands: Integers, ways: Integers, digits: int) -> tuple[int, int]:
    """Returns the band in which the digits have the fewest ways in total (above one per digit), and their number."""
    fewest, chosen = 1 << 30, 0
    for band in range(bands.shape[0]):
        total = 0
        for way in range(ways.shape[0]):
            total += popcount(digits_of_way(stack, top, bands, band, ways, way))
        if digits < total < fewest:
            fewest, chosen = total, band
    return chosen, fewest


@compiled
def _fewest_ways(stack: Integers, top: int, bands: Integers, band: int, ways: Integers, digits: int) -> tuple[int, int]:
    """Returns the digit that has the fewest ways in a band, at least two, and their number."""
    fewest, digit = ways.shape[0] + 1, 0
    for number in range(digits):
        count = 0
        for way in range(ways.shape[0]):
            count += digits_of_way(stack, top, bands, band, ways, way) >> number & 1
        if 1 < count < fewest:
            fewest, digit = count, number
    return digit, fewest


@compiled
def _split_band(
    stack: Integers, top: int, bands: Integers, band: int, ways: Integers, digits: int, passed: Integers
) -> None:
    """Splits at the digit with the fewest ways in a band: some remain above ``top``, the others at ``top``."""
    digit, fewest = _fewest_ways(stack, top, bands, band, ways, digits)
    passed[:] = 0  # number of ways through each line of each box
    for way in range(ways.shape[0]):
        taken = digits_of_way(stack, top, bands, band, ways, way) >> digit & 1
        for box in range(ways.shape[1]):
            passed[ways[way, box], box] += taken
    pivot = 0  # a crossing that some ways pass and others do not
    while not 0 < passed[pivot // ways.shape[1], pivot % ways.shape[1]] < fewest:
        pivot += 1
    passed[:] = 0  # bit 0: a way kept at ``top`` passes; bit 1: a way kept above
    for way in range(ways.shape[0]):
        if digits_of_way(stack, top, bands, band, ways, way) >> digit & 1:
            above = ways[way, pivot % ways.shape[1]] == pivot // ways.shape[1]
            for box in range(ways.shape[1]):
                passed[ways[way, box], box] |= 2 if above else 1
    for cell in range(stack.shape[1]):
        stack[top + 1, cell] = stack[top, cell]
    for crossing in range(ways.shape[1] ** 2):
        line, box = crossing // ways.shape[1], crossing % ways.shape[1]
        for number in range(bands.shape[3]):
            cell = bands[band, line, box, number]
            stack[top, cell] &= ~(0 if passed[line, box] & 1 else 1 << digit)
            stack[top + 1, cell] &= ~(0 if passed[line, box] & 2 else 1 << digit)


@compiled
def _split(stack: Integers, top: int, geometry: Geometry, passed: Integers, priority: Priorities) -> None:
    """Splits in the band in which the digits have the fewest ways in total; without bands, at a cell."""
    if geometry.row_bands.shape[0] == 0:
        _split_cell(stack, top, priority)
        return
    digits = popcount(geometry.full)
    in_row, fewest = _tightest(stack, top, geometry.row_bands, geometry.row_ways, digits)
    in_column, fewer = _tightest(stack, top, geometry.column_bands, geometry.column_ways, digits)
    if fewer < fewest:
        _split_band(stack, top, geometry.column_bands, in_column, geometry.column_ways, digits, passed)
    else:
        _split_band(stack, top, geometry.row_bands, in_row, geometry.row_ways, digits, passed)


@compiled
def _search(memory: Memory, limit: int, geometry: Geometry, priority: Priorities) -> tuple[int, int]:
    """Searches the first grid in memory; the last solution found is stored at its end.

    Returns:
        Number of solutions found, at most ``limit``, and number of branchings.
    """
    stack, settled, scratch = memory
    found = guesses = 0
    top = limit - limit  # a literal 0 would compile every called function again
    for cell in range(settled.shape[1]):
        settled[0, cell] = False
    while top >= 0 and found < limit:
        number = propagate(stack, settled, top, geometry, scratch)
        if number == settled.shape[1]:
            found += 1
            for cell in range(settled.shape[1]):
                stack[-1, cell] = stack[top, cell]
        if number < 0 or number == settled.shape[1]:
            top -= 1
            continue
        guesses += 1
        for cell in range(settled.shape[1]):
            settled[top + 1, cell] = settled[top, cell]
        _split(stack, top, geometry, scratch, priority)
        top += 1
    return found, guesses


@compiled
def search_each(
    memory: Memory,
    masks: Integers,
    limit: int,
    geometry: Geometry,
    priority: Priorities,
    result: tuple[Integers, Integers, Integers],
) -> None:
    """Searches every grid of ``masks (B, L)``; see `SudokuSolver.search`."""
    stack = memory[0]
    found, guesses, solution = result
    for row in range(masks.shape[0]):
        for cell in range(masks.shape[1]):
            stack[0, cell] = masks[row, cell]
        found[row], guesses[row] = _search(memory, limit, geometry, priority[row])
        for cell in range(masks.shape[1]):
            solution[row, cell] = stack[-1, cell] if found[row] else 0


@compiled
def dig_each(
    memory: Memory, puzzles: Integers, order: Integers, clues: int, limit: int, geometry: Geometry, priority: Priorities
) -> None:
    """Blanks cells of ``puzzles (B, L)`` in ``order (B, L)``, with a limit of 1; see `SudokuSolver.dig`."""
    stack = memory[0]
    for row in range(puzzles.shape[0]):
        left = 0
        for cell in range(puzzles.shape[1]):
            left += puzzles[row, cell] != 0
        for place in range(puzzles.shape[1]):
            chosen = order[row, place]
            if left <= clues or puzzles[row, chosen] == 0:
                continue
            for cell in range(puzzles.shape[1]):
                digit = puzzles[row, cell]
                stack[0, cell] = 1 << digit - 1 if digit else geometry.full
            stack[0, chosen] = geometry.full & ~stack[0, chosen]  # any other solution differs in the cell without clue
            if _search(memory, limit, geometry, priority)[0] == 0:
                puzzles[row, chosen] = 0
                left -= 1
