"""A set of puzzles in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hrm_env.task import Tokens


@dataclass(frozen=True)
class Puzzles:
    """N puzzles of one family.

    Attributes:
        inputs: ``(N, L)`` uint8.
        solution: ``(N, L)`` uint8.
        puzzle_id: ``(N,)`` int32.
        rating: Difficulty, ``(N,)`` int32; what it counts depends on the source.
        skipped: Bad rows left out.
    """

    inputs: Tokens
    solution: Tokens
    puzzle_id: npt.NDArray[np.int32]
    rating: npt.NDArray[np.int32]
    skipped: int = 0

    def __len__(self) -> int:
        """N."""
        return len(self.inputs)

    def __getitem__(self, rows: slice) -> Puzzles:
        """A slice of the puzzles."""
        return Puzzles(self.inputs[rows], self.solution[rows], self.puzzle_id[rows], self.rating[rows], self.skipped)
