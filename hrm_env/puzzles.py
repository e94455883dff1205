"""A set of puzzles, as arrays in memory or mapped from files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]

MOST_CELLS = MOST_TOKENS = 2**16
"""The largest length L and vocabulary V of a puzzle."""
BLANK_NAME = "<blank>"
"""Name of puzzle id 0, shared by all puzzles without an embedding of their own."""


_DTYPES: dict[str, type[np.integer[Any]]] = {
    **{"inputs": np.uint8, "solution": np.uint8},
    **{"rating": np.int32, "puzzle_id": np.int32, "group": np.int32},
}


def _column(name: str, column: Any, dtype: type[np.integer[Any]]) -> npt.NDArray[Any]:
    """Returns the column as an array of its dtype, converted from another integer dtype if all values fit.

    Raises:
        ValueError: The column is no array of integers, or a value does not fit.
    """
    wanted = f"puzzles: expected {name} as an array of {np.dtype(dtype)}"
    if not isinstance(column, np.ndarray) or not column.ndim or not np.issubdtype(column.dtype, np.integer):
        raise ValueError(f"{wanted}, found {getattr(column, 'dtype', type(column).__name__)}")
    if column.dtype != dtype and column.size:
        low, high, bounds = int(column.min()), int(column.max()), np.iinfo(dtype)
        if low < bounds.min or high > bounds.max:
            raise ValueError(f"{wanted}, found {low if low < bounds.min else high}")
    return column.astype(dtype, copy=False)


def _none_given() -> Numbers:
    return np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class Puzzles:
    """N puzzles of one family.

    Attributes:
        inputs: Tokens shown to the agent, ``(N, L)`` uint8. Other integer dtypes are converted, here and below.
        solution: Answer tokens, ``(N, L)`` uint8.
        rating: Difficulty, ``(N,)`` int32; its unit depends on the source. Default: zeros.
        puzzle_id: Row of the puzzle-embedding table, ``(N,)`` int32. Default: zeros.
        group: Number of the original puzzle that a row is a variant of, ``(N,)`` int32, ascending. Default: ``0..N-1``.
        names: Name of each puzzle id; their number is the size of the embedding table.
        skipped: Number of bad rows that were skipped.

    Raises:
        ValueError: A column holds anything but integers that fit its dtype, or the shapes do not match.
    """

    inputs: Tokens
    solution: Tokens
    rating: Numbers = field(default_factory=_none_given)
    puzzle_id: Numbers = field(default_factory=_none_given)
    group: Numbers = field(default_factory=_none_given)
    names: tuple[str, ...] = (BLANK_NAME,)
    skipped: int = 0

    def __post_init__(self) -> None:
        """Fills in the default columns, and checks dtypes and shapes."""
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, _column(name, getattr(self, name), dtype))
        count = len(self.inputs)
        zeros, numbers = np.zeros(count, dtype=np.int32), np.arange(count, dtype=np.int32)
        defaults = {"rating": zeros, "puzzle_id": zeros, "group": numbers}
        for name, default in defaults.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, default)
        if self.inputs.ndim != 2 or self.inputs.shape != self.solution.shape:
            shapes = f"{self.inputs.shape} and {self.solution.shape}"
            raise ValueError(f"puzzles: expected inputs and solution of one shape (N, L), found {shapes}")
        for name in defaults:
            if getattr(self, name).shape != (count,):
                raise ValueError(f"puzzles: expected {name} of shape ({count},), found {getattr(self, name).shape}")

    def __repr__(self) -> str:
        """Returns number and size alone, because some messages of Gymnasium repeat all options."""
        return f"Puzzles({len(self)} of {self.inputs.shape[1]} cells)"

    def __len__(self) -> int:
        """Returns N."""
        return len(self.inputs)

    def check_fit(self, family: str, seq_len: int, vocab_size: int, called: str = "source") -> None:
        """Refuses puzzles that do not belong to a family. Checks every token.

        Args:
            family: Name of the family, for errors.
            seq_len: Number of tokens L of a puzzle in the family.
            vocab_size: Number of tokens V of the family.
            called: Name of the puzzles in errors.

        Raises:
            ValueError: There is no puzzle, the puzzles have another length, a token is not below V, or a puzzle id has
                no name.
        """
        if not len(self):
            raise ValueError(f"{called}: expected at least one puzzle, found none")
        if self.inputs.shape[1] != seq_len:
            raise ValueError(f"{called}: expected puzzles of {seq_len} cells ({family}), found {self.inputs.shape[1]}")
        for name, limit in (("inputs", vocab_size), ("solution", vocab_size), ("puzzle_id", len(self.names))):
            column = getattr(self, name)
            if (low := int(column.min())) < 0 or (high := int(column.max())) >= limit:
                found = low if low < 0 else high
                raise ValueError(f"{called}: expected {name} from 0 to {limit - 1} ({family}), found {found}")

    def __getitem__(self, rows: slice | npt.NDArray[Any]) -> Puzzles:
        """Returns the puzzles of a slice (a view of the arrays), a mask ``(N,)`` or indices."""
        columns = {name: getattr(self, name)[rows] for name in ("inputs", "solution", "rating", "puzzle_id", "group")}
        return replace(self, **columns)

    def round_robin(self) -> npt.NDArray[np.int64]:
        """Returns every row number once, ``(N,)``: the first row of each group, then the second of each, and so on."""
        return np.argsort(self._turn(), kind="stable")

    def spread(self, count: int) -> Puzzles:
        """Returns ``count`` of the puzzles in their order, or all if there are fewer.

        Each round takes one row from every group that has one left. If the last round cannot take from all of them, the
        chosen groups are evenly spaced. So a part of a set that is ordered by group or by difficulty represents the
        whole.
        """
        if count >= len(self):
            return self
        order, ends = self.round_robin(), np.cumsum(np.bincount(self._turn()))  # where each round ends
        turns = int(np.searchsorted(ends, count, side="right"))
        begin = int(ends[turns - 1]) if turns else 0
        last = order[begin : ends[turns]]
        some = last[np.arange(count - begin) * len(last) // max(count - begin, 1)]
        return self[np.sort(np.concatenate([order[:begin], some]))]

    def _turn(self) -> npt.NDArray[np.int64]:
        """Returns how many rows of the same group precede each row, ``(N,)``."""
        rows = np.arange(len(self))
        return rows - np.searchsorted(self.group, self.group)

    def digest(self) -> str:
        """Returns a checksum of the shape and of up to 1,000 evenly spaced puzzles; takes milliseconds at any size."""
        rows = np.linspace(0, max(len(self) - 1, 0), min(len(self), 1000)).astype(np.int64)
        parts = (np.array(self.inputs.shape), self.inputs[rows], self.solution[rows], self.puzzle_id[rows])
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def concatenate(parts: Sequence[Puzzles]) -> Puzzles:
    """Concatenates sets that share their puzzle ids; their groups stay distinct."""
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("inputs", "solution", "rating", "puzzle_id")
    }
    first_group = np.cumsum([0, *(int(part.group[-1]) + 1 if len(part) else 0 for part in parts)])
    group = np.concatenate([part.group + start for part, start in zip(parts, first_group[:-1], strict=True)])
    skipped = sum(part.skipped for part in parts)
    return Puzzles(**columns, group=group.astype(np.int32), names=parts[0].names, skipped=skipped)
