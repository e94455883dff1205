"""Sudoku of a wanted difficulty, by a climb that moves one clue at a time.

Few minimal puzzles are hard: of 8,000 drawn none has a rating of 20. A puzzle with one clue moved is about as hard as
before; where it comes nearer to the wanted ratings it is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_env.tasks.sudoku.solver import SudokuSolver

Digits = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

HARDEST = 60  # the highest rating that can be asked for; further up a puzzle takes minutes
_STARTS = 4  # for each puzzle wanted: the fast ones arrive
_PUZZLES = 128, 2048  # fewest and most that climb together
_PROPOSALS = 1024  # moves tried at a time, shared by the puzzles that still climb
_STEPS, _KEPT = 10, 0.75  # after so many steps this share goes on
_SETS = 128  # unavoidable sets remembered for each puzzle
_LEAST_ARRIVED = 1 / 512  # of the starts, else the wish is refused


class Range(NamedTuple):
    """The wanted ratings, bounds included."""

    low: int
    high: int | None

    def __str__(self) -> str:
        """For messages."""
        return f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"

    def distance(self, rating: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """How far off ratings are, 0 within."""
        above = 0 if self.high is None else rating - self.high
        return np.maximum(0, np.maximum(self.low - rating, above))


def climb_to(
    wanted: Range,
    count: int,
    draw: Callable[[int], tuple[Digits, Digits]],
    solver: SudokuSolver,
    minimal: bool,
    rng: np.random.Generator,
) -> tuple[Digits, Digits]:
    """Makes puzzles of wanted ratings, each from a start of its own.

    Args:
        wanted: The ratings.
        count: How many.
        draw: Makes so many puzzles to start from, and their solutions, ``(B, L)`` each.
        solver: Proves and rates.
        minimal: Whether the puzzles shall be minimal; else they have as many clues as their starts.
        rng: Draws the moves.

    Returns:
        Puzzles and solutions, ``(count, L)`` each.

    Raises:
        ValueError: Hardly any puzzle gets there.
    """
    fewest, most = _PUZZLES
    kept: list[tuple[Digits, Digits]] = []
    made = tried = 0
    while made < count:
        climb = Climb(solver, *draw(min(max(_STARTS * (count - made), fewest), most)), wanted, minimal, rng)
        with tqdm(total=count, initial=made, desc=f"to a rating of {wanted}", delay=1, leave=False) as bar:
            climb.run(count - made, lambda arrived: bar.update(min(arrived + made, count) - bar.n))  # noqa: B023  # called at once
        kept.append((climb.puzzles[climb.arrived], climb.grids[climb.arrived]))
        made += int(climb.arrived.sum())
        tried += len(climb.grids)
        if made < tried * _LEAST_ARRIVED and tried >= 1 / _LEAST_ARRIVED:
            raise ValueError(
                f"min_rating, max_rating: only {made} of {tried} puzzles could be brought to a rating of "
                f"{wanted}; ask for other ratings or clues"
            )
    puzzles, grids = (np.concatenate(part)[:count] for part in zip(*kept, strict=True))
    return puzzles, grids


class Climb:
    """Puzzles on their way to a range of ratings, each with one solution at any time.

    A puzzle has one solution if and only if its clues hit every *unavoidable set* of the solved grid: the cells in
    which another grid differs. A move that fails shows such a set, and later moves of the puzzle keep clear of it.

    Args:
        solver: Proves and rates.
        puzzles: ``(B, L)``, digits and 0 for blank.
        grids: Their solutions ``(B, L)``.
        wanted: Where to.
        minimal: Take away what clues can be spared on arrival.
        rng: Draws the moves.
    """

    def __init__(
        self,
        solver: SudokuSolver,
        puzzles: Digits,
        grids: Digits,
        wanted: Range,
        minimal: bool,
        rng: np.random.Generator,
    ) -> None:
        self.solver, self.wanted, self.minimal, self.rng = solver, wanted, minimal, rng
        self.puzzles, self.grids = puzzles.copy(), grids
        self.rating = solver.rate(puzzles).guesses
        self.sets = np.ones((len(puzzles), _SETS, puzzles.shape[1]), dtype=np.bool_)  # hit by every puzzle
        self.seen = np.zeros(len(puzzles), dtype=np.int64)

    @property
    def arrived(self) -> Flags:
        """Which puzzles have a wanted rating, ``(B,)``."""
        flags: Flags = self.wanted.distance(self.rating) == 0
        return flags

    def run(self, needed: int, tell: Callable[[int], object]) -> None:
        """Moves until ``needed`` puzzles have arrived or none comes nearer; the furthest are given up on the way.

        Args:
            needed: How many.
            tell: Is told how many have arrived, now and then.
        """
        rows = np.flatnonzero(~self.arrived)
        while rows.size and self.arrived.sum() < needed:
            before = self.wanted.distance(self.rating[rows]).sum()
            for _ in range(_STEPS):
                self._step(rows[~self.arrived[rows]])
                tell(int(self.arrived.sum()))
            after = self.wanted.distance(self.rating[rows])
            if after.sum() >= before:
                break
            rows = rows[np.argsort(after, kind="stable")]
            rows = rows[~self.arrived[rows]]
            rows = rows[: int(rows.size * _KEPT)]

    def _step(self, rows: Rows) -> None:
        """Tries moves of the puzzles ``rows (R,)`` and keeps, of each, the one that leads nearest, unless further."""
        if not rows.size:
            return
        tried = np.repeat(rows, -(-_PROPOSALS // rows.size))
        variants, unique = self._moved(tried)
        variants, tried = variants[unique], tried[unique]
        rating = self.solver.rate(variants).guesses
        distance = self.wanted.distance(rating)
        nearest_last = np.argsort(-distance, kind="stable")
        kept = nearest_last[(distance <= self.wanted.distance(self.rating[tried]))[nearest_last]]
        self.puzzles[tried[kept]] = variants[kept]
        self.rating[tried[kept]] = rating[kept]
        if self.minimal:
            self._thin(rows[self.arrived[rows]])

    def _moved(self, rows: Rows) -> tuple[Digits, Flags]:
        """Copies with one clue moved, ``(P, L)``, and which of them still have one solution, ``(P,)``."""
        number = np.arange(len(rows))
        variants, grids = self.puzzles[rows], self.grids[rows]
        taken = self._draw(variants != 0)
        variants[number, taken] = 0
        allowed = self._hitting(rows, variants)
        allowed[number, taken] = False
        given = self._draw(allowed)
        variants[number, given] = grids[number, given]
        masks = self.solver.candidates(variants)  # another solution differs in the cell that lost its clue
        masks[number, taken] &= ~self.solver.candidates(grids)[number, taken]
        other = self.solver.search(masks, limit=1)
        failed = other.found > 0
        self._remember(rows[failed], other.solution[failed] != grids[failed])
        return variants, ~failed & allowed.any(axis=1)

    def _draw(self, cells: Flags) -> Rows:
        """One of the true cells of each row ``(P, L)``."""
        drawn: Rows = (self.rng.random(cells.shape, dtype=np.float32) * cells).argmax(axis=1)
        return drawn

    def _hitting(self, rows: Rows, puzzles: Digits) -> Flags:
        """The blank cells whose clue would hit all remembered sets that no clue of ``puzzles (P, L)`` hits."""
        sets = self.sets[rows]
        hit = (sets & (puzzles != 0)[:, None]).any(axis=2)
        allowed: Flags = (sets | hit[..., None]).all(axis=1) & (puzzles == 0)
        return allowed

    def _remember(self, rows: Rows, sets: Flags) -> None:
        """Keeps unavoidable sets ``(P, L)`` in place of the oldest."""
        self.sets[rows, self.seen[rows] % _SETS] = sets
        self.seen[rows] += 1

    def _thin(self, rows: Rows) -> None:
        """Makes puzzles minimal, which may change their rating."""
        if rows.size:
            self.puzzles[rows] = self.solver.dig(self.puzzles[rows], 0, self.rng)
            self.rating[rows] = self.solver.rate(self.puzzles[rows]).guesses
