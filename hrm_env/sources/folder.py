"""Reads and writes built folders, the format of the HRM reference code.

    identifiers.json                      name of each puzzle id
    train/  test/
        dataset.json                      sizes, and the names of the sets
        all__inputs.npy                   (N, L) tokens of N examples, in the set "all"
        all__labels.npy                   (N, L) tokens of the solutions
        all__puzzle_indices.npy           (P + 1,) first example of each of P puzzles, then N
        all__puzzle_identifiers.npy       (P,) puzzle ids
        all__group_indices.npy            (G + 1,) first puzzle of each of G groups, then P

A group holds the variants of one original puzzle. Source: ``puzzle_dataset.py`` and ``dataset/build_*_dataset.py`` in
https://github.com/sapientinc/HRM.
"""

from __future__ import annotations

from collections.abc import Mapping
from os.path import exists
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hrm_env.files import atomic_folder
from hrm_env.puzzles import Numbers, Puzzles, concatenate
from hrm_env.sources.folder_metadata import (
    Metadata,
    check_names,
    read_metadata,
    read_names,
    write_metadata,
    write_names,
)
from hrm_env.sources.generated import Split, check_split
from hrm_env.sources.npy_file import open_tokens, read_numbers, read_offsets
from hrm_env.sources.rows import row_slice
from hrm_env.task import PuzzleTask

COLUMNS = ("inputs", "labels", "puzzle_identifiers", "puzzle_indices", "group_indices")


def is_split(path: str | Path) -> bool:
    """Returns whether the path is one split of a built folder."""
    return exists(Path(path) / "dataset.json")


def is_folder(path: str | Path) -> bool:
    """Returns whether the path is a built folder, with one split or both."""
    return is_split(Path(path) / "train") or is_split(Path(path) / "test")


def read_folder(task: PuzzleTask, path: str | Path, *, split: Split = "train", rows: str | None = None) -> Puzzles:
    """Opens a split of a built folder; its tokens stay on disk.

    Checks all sizes, indices and tokens, but not whether the answers obey the rules.

    Args:
        task: The puzzle family; the files must have its vocabulary and length.
        path: Path of the folder.
        split: ``"train"`` or ``"test"``.
        rows: Slice of the examples, such as ``":-5000"``.

    Raises:
        ValueError: A file is invalid; the message names it, what was expected and what was found.
    """
    check_split(split)
    return read_split(task, Path(path) / split, rows=rows)


def read_split(task: PuzzleTask, path: str | Path, *, rows: str | None = None) -> Puzzles:
    """Opens one split by its own path, as `read_folder` does.

    Args:
        task: The puzzle family; the files must have its vocabulary and length.
        path: Path of the split's folder; ``identifiers.json`` may lie beside it.
        rows: Slice of the examples.

    Raises:
        ValueError: A file is invalid; the message names it, what was expected and what was found.
    """
    path, wanted = Path(path).absolute(), row_slice(rows)
    metadata = read_metadata(task, path / "dataset.json")
    names = read_names(path.parent / "identifiers.json", metadata.num_puzzle_identifiers)
    sets = [_read_set(task, path, name, names) for name in metadata.sets]
    groups = sum(int(puzzles.group[-1]) + 1 for puzzles in sets)
    if groups != metadata.total_groups:
        raise ValueError(f"{path}: expected {metadata.total_groups} groups, as dataset.json says, found {groups}")
    puzzles = (sets[0] if len(sets) == 1 else concatenate(sets))[wanted]
    if not len(puzzles):
        raise ValueError(f"{path}: expected at least one puzzle, found none in rows {rows!r}")
    return puzzles


def _read_set(task: PuzzleTask, folder: Path, name: str, names: tuple[str, ...]) -> Puzzles:
    files = {column: folder / f"{name}__{column}.npy" for column in COLUMNS}
    inputs, labels = (open_tokens(files[column], *_shape(task)) for column in ("inputs", "labels"))
    if len(labels) != len(inputs):
        raise ValueError(f"{files['labels']}: expected {len(inputs)} rows, as the inputs have, found {len(labels)}")
    puzzle_id, group = _read_ids_and_groups(files, len(inputs), len(names))
    return Puzzles(inputs, labels, puzzle_id=puzzle_id, group=group, names=names)


def _read_ids_and_groups(files: Mapping[str, Path], examples: int, num_ids: int) -> tuple[Numbers, Numbers]:
    """Returns puzzle id and group of each example, ``(N,)`` each."""
    puzzles = read_offsets(files["puzzle_indices"], examples)
    ids = read_numbers(files["puzzle_identifiers"], len(puzzles) - 1, num_ids)
    groups = read_offsets(files["group_indices"], len(ids))
    group = _spread(np.arange(len(groups) - 1, dtype=np.int32), groups)
    return _spread(ids, puzzles), _spread(group, puzzles)


def _spread(numbers: Numbers, offsets: Numbers) -> Numbers:
    """Repeats the number ``(K,)`` of each of K things for all that belong to it, ``(offsets[-1],)``."""
    alone = len(numbers) == offsets[-1]  # one example per puzzle: no copy needed
    return numbers if alone else np.repeat(numbers, np.diff(offsets))


def _shape(task: PuzzleTask) -> tuple[int, int]:
    return task.spec.seq_len, task.spec.vocab_size


def write_folder(task: PuzzleTask, path: str | Path, splits: Mapping[Split, Puzzles]) -> None:
    """Writes a built folder, from which the reference code can train as well. Ratings are not kept.

    Neighbouring rows of one group and one puzzle id above 0 become the examples of one puzzle. A folder that the
    reference code's builders wrote and `read_folder` read is written back unchanged.

    Args:
        task: The puzzle family.
        path: Path of the folder, new or empty.
        splits: Puzzles of ``"train"``, ``"test"`` or both, with the same names of puzzle ids.

    Raises:
        ValueError: The path is taken, the puzzles do not belong to the task, or their names differ.
        OSError: The folder cannot be written; nothing is left behind.
    """
    for split, puzzles in splits.items():
        check_split(split)
        puzzles.check_fit(task.spec.name, *_shape(task), called=split)
    names = {puzzles.names for puzzles in splits.values()}
    if len(names) != 1:
        raise ValueError(
            f"splits: expected one or two with the same names of puzzle ids, found {len(names)} lists of names"
        )
    shared = names.pop()
    check_names(Path(path) / "identifiers.json", shared)
    with atomic_folder(Path(path)) as folder:
        for split, puzzles in splits.items():
            (folder / split).mkdir()
            _write_split(task, folder / split, puzzles)
        write_names(folder / "identifiers.json", shared)


def _write_split(task: PuzzleTask, folder: Path, puzzles: Puzzles) -> None:
    new_group = _differs(puzzles.group)
    puzzle_indices = _offsets(new_group | _differs(puzzles.puzzle_id) | (puzzles.puzzle_id == 0))
    group_indices = _offsets(new_group[puzzle_indices[:-1]])
    ids = puzzles.puzzle_id[puzzle_indices[:-1]]
    arrays: list[npt.NDArray[Any]] = [puzzles.inputs, puzzles.solution, ids, puzzle_indices, group_indices]
    for column, array in zip(COLUMNS, arrays, strict=True):
        np.save(folder / f"all__{column}.npy", array, allow_pickle=False)  # in pieces if it is not contiguous
    mean = len(puzzles) / (len(puzzle_indices) - 1)
    metadata = Metadata(len(puzzles.names), len(group_indices) - 1, mean, ("all",))
    write_metadata(task, folder / "dataset.json", metadata)


def _differs(column: Numbers) -> npt.NDArray[np.bool_]:
    """Returns where a row is the first or differs from the previous one, ``(N,)`` bool."""
    return np.concatenate([[True], column[1:] != column[:-1]])


def _offsets(first: npt.NDArray[np.bool_]) -> Numbers:
    """Returns the indices at which ``first (N,)`` is set, then N."""
    return np.append(np.flatnonzero(first), len(first)).astype(np.int32)
