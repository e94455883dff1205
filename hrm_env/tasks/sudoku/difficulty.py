"""Generates Sudoku of a given difficulty by a local search that moves one clue at a time.

Few minimal puzzles are hard: among 8,000 drawn, none has a rating of 20. Moving one clue changes the difficulty little;
a move that brings the rating closer to the wanted range is kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_env.tasks.rating import Range
from hrm_env.tasks.sudoku.solver import SudokuSolver

Digits = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

HARDEST = 60  # highest rating that can be requested; beyond it, a puzzle takes minutes
_STARTS = 4  # starts per wanted puzzle; those that arrive first are kept
_PUZZLES = 128, 2048  # smallest and largest number of puzzles that climb together
_PROPOSALS = 1024  # moves tried at a time, divided among the puzzles that still climb
_STEPS, _KEPT = 10, 0.75  # after this many steps, this share of the puzzles continues
_SETS = 128  # unavoidable sets stored per puzzle
_LEAST_ARRIVED = 1 / 512  # share of the starts; below it, the request is refused


def climb_to(
    wanted: Range,
    count: int,
    draw: Callable[[int], tuple[Digits, Digits]],
    solver: SudokuSolver,
    minimal: bool,
    rng: np.random.Generator,
) -> tuple[Digits, Digits]:
    """Generates puzzles of wanted ratings, each from its own start.

    Args:
        wanted: Range of ratings.
        count: Number of puzzles.
        draw: Function that generates a given number of starts and their solutions, ``(B, L)`` each.
        solver: Solver that proves and rates the puzzles.
        minimal: Whether the puzzles must be minimal; otherwise they have as many clues as their starts.
        rng: Random generator of the moves.

    Returns:
        Puzzles and solutions, ``(count, L)`` each.

    Raises:
        ValueError: Almost no puzzle reaches the range.
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
    """A local search of puzzles towards a range of ratings; each puzzle always has exactly one solution.

    A puzzle has one solution if and only if its clues hit every *unavoidable set* of the solved grid, a set of cells in
    which another grid differs. A failed move reveals such a set, and later moves of the puzzle hit it.

    Args:
        solver: Solver that proves and rates the puzzles.
        puzzles: Digits, 0 for blank, ``(B, L)``.
        grids: Solutions of the puzzles, ``(B, L)``.
        wanted: Range of ratings.
        minimal: Whether clues that are not needed are removed on arrival.
        rng: Random generator of the moves.
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
        """The puzzles that have a wanted rating, ``(B,)``."""
        flags: Flags = self.wanted.distance(self.rating) == 0
        return flags

    def run(self, needed: int, tell: Callable[[int], object]) -> None:
        """Moves until ``needed`` puzzles have arrived or none comes closer; drops the furthest puzzles on the way.

        Args:
            needed: Number of puzzles.
            tell: Function called repeatedly with the number of arrived puzzles.
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
        """Tries moves of the puzzles ``rows (R,)`` and keeps the best of each, unless it moves away from the range."""
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
        """Returns copies with one clue moved, ``(P, L)``, and which of them still have one solution, ``(P,)``."""
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
        """Draws one of the true cells of each row ``(P, L)``."""
        drawn: Rows = (self.rng.random(cells.shape, dtype=np.float32) * cells).argmax(axis=1)
        return drawn

    def _hitting(self, rows: Rows, puzzles: Digits) -> Flags:
        """Returns the blank cells whose clue would hit all stored sets that no clue of ``puzzles (P, L)`` hits."""
        sets = self.sets[rows]
        hit = (sets & (puzzles != 0)[:, None]).any(axis=2)
        allowed: Flags = (sets | hit[..., None]).all(axis=1) & (puzzles == 0)
        return allowed

    def _remember(self, rows: Rows, sets: Flags) -> None:
        """Stores unavoidable sets ``(P, L)`` in place of the oldest."""
        self.sets[rows, self.seen[rows] % _SETS] = sets
        self.seen[rows] += 1

    def _thin(self, rows: Rows) -> None:
        """Makes puzzles minimal, which may change their rating."""
        if rows.size:
            self.puzzles[rows] = self.solver.dig(self.puzzles[rows], 0, self.rng)
            self.rating[rows] = self.solver.rate(self.puzzles[rows]).guesses
