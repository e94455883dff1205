"""How our Sudoku rating, guesses of `SudokuSolver.rate`, agrees with the ratings that a CSV file carries.

    python -m benchmarks.sudoku_rating --data sudoku_extreme_1k_real.csv.gz

Sudoku-Extreme's ratings are the guesses of the solver tdoku. The table shows both means in each tenth of the file's
ratings (puzzles of equal rating stay together); Spearman's rank correlation and our speed stand below it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.options import run
from benchmarks.report import Part, Value
from hrm_agent.study.ranks import average_ranks, spearman
from hrm_env.sources import load_puzzles
from hrm_env.tasks.sudoku.task import Sudoku


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        data: CSV file of 9x9 puzzles with ratings.
        rows: Slice of its rows, such as ``":1000"``.
    """

    data: str
    rows: str | None = None


def tenths(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Returns the tenth, 0 to 9, of each value's rank ``(N,)``."""
    return np.minimum((average_ranks(values) - 0.5) / len(values) * 10, 9).astype(np.int64)


def measure(options: Options) -> Part:
    """Rates the puzzles of a file."""
    task = Sudoku()
    puzzles = load_puzzles(task, options.data, rows=options.rows)
    started = time.perf_counter()
    rating = task.solver.rate(puzzles.inputs - 1).guesses
    seconds = time.perf_counter() - started
    tenth = tenths(puzzles.rating)
    groups = {str(number + 1): tenth == number for number in np.unique(tenth)} | {"all": tenth >= 0}
    rows: list[dict[str, Value]] = [
        {"tenth": name, "puzzles": int(group.sum()), "mean in the file": float(puzzles.rating[group].mean()),
         "our mean": float(rating[group].mean())}
        for name, group in groups.items()
    ]  # fmt: skip
    notes = [
        f"Spearman's rank correlation {spearman(rating, puzzles.rating):.3f}; {len(puzzles) / seconds:.0f} a second"
    ]
    return Part("sudoku-rating", options.data, rows, notes)


if __name__ == "__main__":
    run(Options, measure)
