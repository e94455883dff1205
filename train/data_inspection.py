"""Inspects sets of puzzles: counts, histograms, and duplicates, exact and up to symmetry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_env.puzzles import Puzzles
from hrm_env.task import PAD_ID, PuzzleBatch, PuzzleTask

_CHUNK = 2048  # puzzles processed together
_BINS = 16  # at most, and one for the tail


@dataclass(frozen=True)
class Inspection:
    """A set of puzzles under inspection, such as one split of a source.

    Attributes:
        task: The puzzle family.
        puzzles: The puzzles.
    """

    task: PuzzleTask
    puzzles: Puzzles

    @cached_property
    def rows(self) -> npt.NDArray[np.void]:
        """Each puzzle as one value that can be sorted and compared, ``(N,)``."""
        inputs = np.ascontiguousarray(self.puzzles.inputs)
        return inputs.view(np.dtype((np.void, inputs.shape[1]))).ravel()

    @cached_property
    def keys(self) -> npt.NDArray[np.uint64]:
        """Symmetry key of each puzzle, ``(N,)``."""
        return np.concatenate([self.task.symmetry_key(chunk.inputs) for chunk in self._chunks("symmetries")])

    @property
    def clues(self) -> npt.NDArray[np.int64]:
        """Number of given cells of each puzzle, ``(N,)``."""
        inputs = self.puzzles.inputs
        clues: npt.NDArray[np.int64] = ((inputs != self.task.blank_id) & (inputs != PAD_ID)).sum(axis=1)
        return clues

    def figures(self) -> dict[str, int]:
        """Returns the counts that need no other set.

        Puzzles that the source itself groups as variants (`Puzzles.group`) do not count as duplicates up to symmetry.
        """
        puzzles = self.puzzles
        in_groups = np.unique(np.stack([puzzles.group.astype(np.uint64), self.keys]), axis=1)[1]
        return {
            "puzzles": len(puzzles),
            "skipped_rows": puzzles.skipped,
            "groups": len(np.unique(puzzles.group)),
            "puzzle_ids": len(puzzles.names),
            "answers_that_fail_the_check": len(puzzles) - sum(self._solved()),
            "duplicates": len(puzzles) - len(np.unique(self.rows)),
            "duplicates_up_to_symmetry": len(in_groups) - len(np.unique(in_groups)),
        }

    def _solved(self) -> Iterator[int]:
        for chunk in self._chunks("answers"):
            batch = PuzzleBatch.of(chunk)
            yield int(self.task.check(batch.inputs, batch.solution).sum())

    def _chunks(self, what: str) -> Iterator[Puzzles]:
        with tqdm(total=len(self.puzzles), desc=f"inspecting {what}", unit=" puzzles", delay=1, leave=False) as bar:
            for start in range(0, len(self.puzzles), _CHUNK):
                chunk = self.puzzles[start : start + _CHUNK]
                yield chunk
                bar.update(len(chunk))


def inspected(task: PuzzleTask, sets: Mapping[str, Puzzles]) -> dict[str, Any]:
    """Returns all figures of some sets of puzzles, ready for JSON.

    Args:
        task: The puzzle family.
        sets: The sets by the names under which they are reported.

    Returns:
        ``parts`` (the figures of each set), ``shared`` (for each pair of sets the number of puzzles in both, exactly
        and up to symmetry), and the histograms ``clues`` (if the task has blanks) and ``rating`` (if puzzles have one).
    """
    parts = {name: Inspection(task, puzzles) for name, puzzles in sets.items()}
    report: dict[str, Any] = {
        "task": task.spec.name,
        "parts": {name: part.figures() for name, part in parts.items()},
        "shared": [
            {
                "between": [first, second],
                "puzzles": len(np.intersect1d(parts[first].rows, parts[second].rows)),
                "puzzles_up_to_symmetry": len(np.intersect1d(parts[first].keys, parts[second].keys)),
            }
            for first, second in combinations(parts, 2)
        ],
    }
    if task.blank is not None:
        report["clues"] = histogram({name: part.clues for name, part in parts.items()})
    if any(puzzles.rating.any() for puzzles in sets.values()):
        report["rating"] = histogram({name: puzzles.rating for name, puzzles in sets.items()})
    return report


def histogram(values: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
    """Counts values in bins of a round width that all sets share; the last bin takes the tail, at most 2 % of all.

    Args:
        values: Integers ``(N,)`` of each set.

    Returns:
        The bounds ``from`` and ``to`` of each bin, both included, and the ``counts`` of the sets.
    """
    together = np.concatenate(list(values.values()))
    least, tail, most = int(together.min()), int(np.quantile(together, 0.98, method="higher")), int(together.max())
    width = next(width for width in _round_numbers() if tail // width - least // width < _BINS)
    starts = list(range(least // width * width, tail + 1, width))
    ends = [start + width - 1 for start in starts]
    if most > ends[-1]:
        starts, ends = [*starts, ends[-1] + 1], [*ends, most]
    counts = {name: np.histogram(numbers, [*starts, ends[-1] + 1])[0] for name, numbers in values.items()}
    return [
        {"from": start, "to": end, "counts": {name: int(count[index]) for name, count in counts.items()}}
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def _round_numbers() -> Iterator[int]:
    """Yields 1, 2, 5, 10, 20, 50, ..."""
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10
