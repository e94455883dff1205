"""Puzzles on their way to files: variants added, and written as a built folder or as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hrm_env.files import check_vacant, check_writable
from hrm_env.puzzles import Puzzles
from hrm_env.sources import Split
from hrm_env.sources.csv_file import write_csv
from hrm_env.sources.folder import write_folder
from hrm_env.task import PuzzleBatch, PuzzleTask

_CHUNK = 4096  # variants made together


def check_symmetric(task: PuzzleTask) -> None:
    """Refuses a task whose puzzles have no variants.

    Raises:
        ValueError: It has none.
    """
    if type(task).augment is PuzzleTask.augment and task.symmetries(1, torch.Generator()) is None:
        raise ValueError(f"--augmentations: expected a task with symmetries, found {task.spec.name}, which has none")


def with_variants(task: PuzzleTask, puzzles: Puzzles, count: int, seed: int) -> Puzzles:
    """Each puzzle followed by random symmetric variants of it, in the same group.

    As ``dataset/build_sudoku_dataset.py --num-aug`` of the HRM reference code.

    Args:
        task: The puzzle family.
        puzzles: N puzzles.
        count: Variants K of each.
        seed: Seed of the variants.

    Returns:
        N · (K + 1) puzzles.
    """
    if count == 0:
        return puzzles
    varied = puzzles[np.repeat(np.arange(len(puzzles)), count + 1)]  # a copy, whose rows are replaced below
    variants = np.flatnonzero(np.arange(len(varied)) % (count + 1))
    generator = torch.Generator().manual_seed(seed)
    with tqdm(total=len(variants), desc="making variants", unit=" puzzles", delay=1, leave=False) as bar:
        for start in range(0, len(variants), _CHUNK):
            rows = variants[start : start + _CHUNK]
            batch = task.augment(PuzzleBatch.of(varied[rows]), generator)
            varied.inputs[rows], varied.solution[rows] = batch.inputs.numpy(), batch.solution.numpy()
            bar.update(len(rows))
    return varied


def check_target(out: str, splits: int) -> None:
    """Refuses a target that cannot hold what is to be written, before the work is done.

    Args:
        out: A folder, or a CSV file whose name may hold ``{split}``.
        splits: How many sets of puzzles there are: 2 for training and test.

    Raises:
        ValueError: It cannot; the message says what to give.
    """
    if not _is_csv(out):
        check_vacant(Path(out))
        if splits == 1:
            raise ValueError(f"{out}: expected test puzzles for a folder, too: add --test-source or --hold-out")
        return
    if splits > 1 and "{split}" not in out:
        raise ValueError(f"{out}: expected {{split}} in the name of a CSV file, for train and test, found none")
    check_writable("OUT", Path(out))


def write(task: PuzzleTask, out: str, splits: Mapping[Split, Puzzles]) -> None:
    """Writes a built folder, or a CSV file for each split under a name in which ``{split}`` is replaced.

    Raises:
        OSError: A file cannot be written.
    """
    if _is_csv(out):
        places = {split: Path(out.replace("{split}", split)) for split in splits}
        for split, path in places.items():
            write_csv(task, path, splits[split])
    else:
        places = {split: Path(out) / split for split in splits}
        write_folder(task, out, splits)
    for split, puzzles in splits.items():
        print(f"{places[split]}: {len(puzzles):,} rows of {len(np.unique(puzzles.group)):,} puzzles{_notes(puzzles)}")


def _notes(puzzles: Puzzles) -> str:
    ids = f", {len(puzzles.names):,} puzzle ids" if len(puzzles.names) > 1 else ""
    return ids + (f", {puzzles.skipped:,} left out" if puzzles.skipped else "")


def _is_csv(out: str) -> bool:
    return out.endswith((".csv", ".csv.gz"))
