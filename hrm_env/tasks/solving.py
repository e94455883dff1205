"""What the solvers share: compiled loops, threads, and the result of a search."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Integers = npt.NDArray[np.integer[Any]]
Priorities = npt.NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., Any])
_ROWS = 32  # puzzles per task of a thread


class SearchResult(NamedTuple):
    """Result of a search for each of B puzzles.

    Attributes:
        found: Number of solutions found, at most the limit, ``(B,)``.
        solution: Digits 1..n of the last solution found, ``(B, L)``; zeros if there is none.
        guesses: Number of branchings, ``(B,)``; 0 if propagation alone settles the puzzle.
    """

    found: npt.NDArray[np.int32]
    solution: npt.NDArray[np.uint8]
    guesses: npt.NDArray[np.int32]


def compiled(function: Function) -> Function:
    """Compiles a function at its first call, once per machine; compiled code releases the interpreter's lock."""
    return cast(Function, njit(cache=True, nogil=True, error_model="numpy")(function))


def on_all_cores(run: Callable[[slice], object], count: int) -> None:
    """Calls ``run`` with slices of ``count`` rows in threads; the compiled loops release the interpreter's lock."""
    slices = [slice(start, start + _ROWS) for start in range(0, count, _ROWS)]
    if len(slices) == 1:
        run(slices[0])
    elif slices:
        with ThreadPoolExecutor(min(len(slices), os.cpu_count() or 1)) as pool:
            list(pool.map(run, slices))
