"""Where puzzles come from: made by the task's generator, or read from a CSV file."""

from __future__ import annotations

from typing import Any, Literal

from hrm_env.sources.csv_file import BadRows, read_csv
from hrm_env.sources.generated import Split, generated
from hrm_env.sources.puzzles import Puzzles
from hrm_env.task import PuzzleTask

__all__ = ["BadRows", "Puzzles", "Source", "Split", "load_puzzles"]

Source = Literal["generated"] | str | Puzzles


def load_puzzles(
    task: PuzzleTask,
    source: Source = "generated",
    *,
    split: Split = "train",
    num_puzzles: int = 1000,
    puzzle_seed: int = 0,
    rows: str | None = None,
    bad_rows: BadRows = "raise",
    **generator_options: Any,
) -> Puzzles:
    """Loads the puzzles of an environment.

    Args:
        task: The puzzle family.
        source: ``"generated"``, `Puzzles` in memory, or the path of a CSV file (plain or gzip) with the columns
            ``question`` and ``answer``, and optionally ``source`` and ``rating``.
        split: Generated puzzles only: ``"train"`` or ``"test"``, disjoint up to symmetry for all seeds and sizes.
        num_puzzles: Generated puzzles only: how many.
        puzzle_seed: Generated puzzles only: the seed.
        rows: CSV only: a slice of the rows, such as ``":-5000"`` or ``"-5000:"``.
        bad_rows: CSV only: ``"raise"`` an error at the first bad row, or ``"skip"`` and count them.
        **generator_options: Passed to the task's ``generate``, such as Sudoku's ``clues``.

    Raises:
        ValueError: A file, row or option is not as it should be; the message names it.
        TypeError: An option is unknown.
    """
    if source == "generated":
        return generated(task, split, num_puzzles, puzzle_seed, generator_options)
    if generator_options:
        kind = "puzzles in memory" if isinstance(source, Puzzles) else f"the CSV source {source!r}"
        raise TypeError(f"{task.spec.name}: unknown option {next(iter(generator_options))!r} for {kind}")
    if not isinstance(source, Puzzles):
        return read_csv(task, source, rows, bad_rows)
    if source.inputs.shape[1] != task.spec.seq_len:
        raise ValueError(
            f"source: expected puzzles of {task.spec.seq_len} cells ({task.spec.name}), found {source.inputs.shape[1]}"
        )
    return source
