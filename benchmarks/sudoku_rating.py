"""How our Sudoku rating, guesses of `SudokuSolver.rate`, agrees with the ratings that a CSV file carries.

    python -m benchmarks.sudoku_rating --data sudoku_extreme_1k_real.csv.gz

Sudoku-Extreme's ratings are the guesses of the solver tdoku. Printed are Spearman's rank correlation, our mean in each
tenth of the file's ratings (puzzles of equal rating stay together), and puzzles rated in a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tyro

from hrm_agent.study.ranks import average_ranks, spearman
from hrm_env.sources import load_puzzles
from hrm_env.tasks.sudoku.task import Sudoku


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        data: A CSV file of 9x9 puzzles with ratings.
        rows: A slice of its rows, such as ``":1000"``.
    """

    data: str
    rows: str | None = None


def tenths(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The tenth, 0 to 9, of each value's rank ``(N,)``."""
    return np.minimum((average_ranks(values) - 0.5) / len(values) * 10, 9).astype(np.int64)


def main() -> None:
    """Rates a file and prints the comparison."""
    options = tyro.cli(Options)
    task = Sudoku()
    puzzles = load_puzzles(task, options.data, rows=options.rows)
    started = time.perf_counter()
    rating = task.solver.rate(puzzles.inputs - 1).guesses
    seconds = time.perf_counter() - started
    print(f"{len(puzzles)} puzzles, {len(puzzles) / seconds:.0f} a second")
    print(f"Spearman's rank correlation {spearman(rating, puzzles.rating):.3f}")
    print("tenth  puzzles  mean in the file  our mean")
    tenth = tenths(puzzles.rating)
    for number in np.unique(tenth):
        rows = tenth == number
        print(f"{number + 1:5}  {rows.sum():7}  {puzzles.rating[rows].mean():16.1f}  {rating[rows].mean():8.1f}")
    print(f"  all  {len(puzzles):7}  {puzzles.rating.mean():16.1f}  {rating.mean():8.1f}")


if __name__ == "__main__":
    main()
