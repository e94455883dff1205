"""Constraint propagation for Sudoku in compiled loops: one grid at a time, candidates as bit masks.

A cell holds the bit mask of its candidate digits. A *band* is a row or a column of boxes. A digit takes a different
line of the band in each of its boxes; such a permutation is called a *way*. The solver tdoku uses the same bands and
ways (github.com/t-dillon/tdoku). A cell that no way of a digit passes through cannot hold the digit ("locked
candidates"). Guessing among the ways of a digit needs fewer guesses than guessing the digit of a cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_env.tasks.solving import Integers, compiled

Flags = npt.NDArray[np.bool_]
Memory = tuple[Integers, Flags, Integers]


class Geometry(NamedTuple):
    """The digits, units, peers and bands of a grid; indices are int64.

    Attributes:
        full: Mask of all digits.
        units: Cells of each row, column and box, ``(3n, n)``.
        peers: Cells that share a unit with each cell, ``(L, P)``.
        row_bands: Cells of each row of boxes, ``(K, b lines, b boxes, cells of a line in a box)``; K is 0 if bands are
            not used.
        row_ways: Line of each way in each box, ``(b!, b)``.
        column_bands: Cells of each column of boxes, likewise.
        column_ways: Line of each way in each box, likewise.
        pairs: Cells of which the first holds a smaller digit than the second, ``(P, 2)``; none in a Sudoku.
    """

    full: int
    units: Integers
    peers: Integers
    row_bands: Integers
    row_ways: Integers
    column_bands: Integers
    column_ways: Integers
    pairs: Integers


@compiled
def popcount(mask: int) -> int:
    """Counts the digits in a mask of at most 16 bits."""
    mask -= mask >> 1 & 0x5555
    mask = (mask & 0x3333) + (mask >> 2 & 0x3333)
    mask = mask + (mask >> 4) & 0x0F0F
    return mask + (mask >> 8) & 0x1F


@compiled
def digits_of_way(stack: Integers, top: int, bands: Integers, band: int, ways: Integers, way: int) -> int:
    """Returns the digits that can still take a way through a band."""
    digits = -1
    for box in range(bands.shape[2]):
        line, crossing = ways[way, box], 0
        for number in range(bands.shape[3]):
            crossing |= stack[top, bands[band, line, box, number]]
        digits &= crossing
    return digits


@compiled
def _restrict_box(stack: Integers, top: int, bands: Integers, band: int, box: int, allowed: Integers) -> bool:
    """Removes digits that a box's lines do not allow; returns whether any cell has lost one."""
    lines, width = bands.shape[1], bands.shape[3]
    changed, once, twice = False, 0, 0
    for line in range(lines):
        twice |= once & allowed[line, box]
        once |= allowed[line, box]
    for line in range(lines):
        bound = allowed[line, box] & ~twice  # digits that have no other line in the box
        spare = width - popcount(bound)
        kept = allowed[line, box] if spare > 0 else bound if spare == 0 else 0
        for number in range(width):
            cell = bands[band, line, box, number]
            if stack[top, cell] & ~kept:
                stack[top, cell] &= kept
                changed = True
    return changed


@compiled
def restrict(stack: Integers, top: int, bands: Integers, ways: Integers, allowed: Integers) -> bool:
    """Removes digits from cells that none of their ways passes or that others fill; returns whether any was removed."""
    changed = False
    for band in range(bands.shape[0]):
        allowed[:] = 0  # the digits in each line of each box
        for way in range(ways.shape[0]):
            digits = digits_of_way(stack, top, bands, band, ways, way)
            for box in range(ways.shape[1]):
                allowed[ways[way, box], box] |= digits
        for box in range(ways.shape[1]):
            changed |= _restrict_box(stack, top, bands, band, box, allowed)
    return changed


@compiled
def _settle(stack: Integers, settled: Flags, top: int, peers: Integers) -> int:
    """Removes the digits of settled cells from their peers; returns the number settled, -1 on a contradiction."""
    number, before = 0, -1
    while number != before:
        before, number = number, 0
        for cell in range(peers.shape[0]):
            digit = stack[top, cell]
            if digit == 0:
                return -1
            if digit & (digit - 1):
                continue
            number += 1
            if settled[top, cell]:
                continue
            settled[top, cell] = True
            for place in range(peers.shape[1]):
                peer = peers[cell, place]
                if stack[top, peer] == digit:
                    return -1
                stack[top, peer] &= ~digit
    return number


@compiled
def _place(stack: Integers, top: int, full: int, units: Integers) -> int:
    """Places digits that have one cell left in a unit; returns 1 if any was placed, else 0, -1 on a contradiction."""
    placed = 0
    for unit in range(units.shape[0]):
        once = twice = 0
        for number in range(units.shape[1]):
            mask = stack[top, units[unit, number]]
            twice |= once & mask
            once |= mask
        if once != full:
            return -1
        lone = once & ~twice
        for number in range(units.shape[1]):
            cell = units[unit, number]
            digits = stack[top, cell] & lone
            if digits and digits != stack[top, cell]:
                if digits & (digits - 1):  # a cell that two digits need
                    return -1
                stack[top, cell] = digits
                placed = 1
    return placed


@compiled
def _order(stack: Integers, top: int, full: int, pairs: Integers) -> bool:
    """Removes digits that the smaller or larger cell of a pair cannot hold; returns whether any was removed."""
    changed = False
    for pair in range(pairs.shape[0]):
        less, more = pairs[pair, 0], pairs[pair, 1]
        small, large = stack[top, less], stack[top, more]
        above = full & ~((small & -small) * 2 - 1)  # digits above the smallest one left in the smaller cell
        below = 0
        while below * 2 + 1 < large:
            below = below * 2 + 1  # digits below the largest one left in the larger cell
        if large & ~above or small & ~below:
            stack[top, more] &= above
            stack[top, less] &= below
            changed = True
    return changed


@compiled
def propagate(stack: Integers, settled: Flags, top: int, geometry: Geometry, allowed: Integers) -> int:
    """Applies singles, pairs and bands until nothing changes; returns the settled cells, or -1 on a contradiction."""
    while True:
        number = _settle(stack, settled, top, geometry.peers)
        placed = _place(stack, top, geometry.full, geometry.units)
        if number < 0 or placed < 0:
            return -1
        if placed == 0 and _order(stack, top, geometry.full, geometry.pairs):
            continue
        if placed == 0:  # the costlier rule only where the others say nothing more
            changed = restrict(stack, top, geometry.row_bands, geometry.row_ways, allowed)
            if not restrict(stack, top, geometry.column_bands, geometry.column_ways, allowed) and not changed:
                return number
