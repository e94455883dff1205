"""The JSON files of a built folder: ``dataset.json`` in each split, and ``identifiers.json`` beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from hrm_env.checks import shortened
from hrm_env.sources.json_file import read_json
from hrm_env.task import PAD_ID, PuzzleTask

_SET = re.compile(r"\w[\w.-]{0,49}")
_MOST_SETS = 100
_LARGEST = 2**31 - 1
_MOST_UNNAMED = 2**20  # puzzle ids that a folder may leave unnamed


@dataclass(frozen=True)
class Metadata:
    """What ``dataset.json`` says besides the sizes of the task. The names are the reference code's.

    Attributes:
        num_puzzle_identifiers: Number of puzzle ids, in all splits.
        total_groups: Number of groups in all sets of the split.
        mean_puzzle_examples: Mean number of examples of a puzzle.
        sets: Names of the sets.
    """

    num_puzzle_identifiers: int
    total_groups: int
    mean_puzzle_examples: float
    sets: tuple[str, ...]


def read_metadata(task: PuzzleTask, path: Path) -> Metadata:
    """Reads ``dataset.json`` and checks that it describes puzzles of the task.

    Raises:
        ValueError: The file is invalid; the message names it, what was expected and what was found.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {shortened(content)}")
    for name, size in _sizes(task).items():
        if content.get(name) != size:
            raise ValueError(f"{path}: expected {name} {size} ({task.spec.name}), found {_found(content.get(name))}")
    for name in ("num_puzzle_identifiers", "total_groups"):
        if type(content.get(name)) is not int or not 1 <= content[name] <= _LARGEST:
            raise ValueError(f"{path}: expected {name} from 1 to {_LARGEST}, found {_found(content.get(name))}")
    mean, sets = content.get("mean_puzzle_examples"), content.get("sets")
    if not isinstance(mean, int | float):
        raise ValueError(f"{path}: expected a number as mean_puzzle_examples, found {_found(mean)}")
    if not (_are_strings(sets) and 0 < len(sets) <= _MOST_SETS and all(map(_SET.fullmatch, sets))):
        raise ValueError(f"{path}: expected plain names as sets, such as ['all'], found {_found(sets)}")
    if len(set(sets)) < len(sets):
        raise ValueError(f"{path}: expected sets that differ, found {shortened(sets)}")
    return Metadata(content["num_puzzle_identifiers"], content["total_groups"], mean, tuple(sets))


def write_metadata(task: PuzzleTask, path: Path, metadata: Metadata) -> None:
    """Writes ``dataset.json``."""
    path.write_text(json.dumps(_sizes(task) | asdict(metadata)))


def read_names(path: Path, count: int) -> tuple[str, ...]:
    """Reads the names of the puzzle ids; without ``identifiers.json``, a name is the id's number.

    Raises:
        ValueError: The file is invalid; the message names it, what was expected and what was found.
    """
    if not path.exists():
        if count > _MOST_UNNAMED:
            raise ValueError(f"{path}: expected the names of {count} puzzle ids, found no such file")
        return tuple(str(number) for number in range(count))
    names = read_json(path)
    if not _are_strings(names):
        raise ValueError(f"{path}: expected a JSON list of names, found {shortened(names)}")
    if len(names) != count:
        raise ValueError(f"{path}: expected {count} names, as num_puzzle_identifiers says, found {len(names)}")
    check_names(path, names)
    return tuple(names)


def check_names(path: Path, names: Iterable[str]) -> None:
    """Refuses names of puzzle ids that cannot be printed.

    Raises:
        ValueError: A name cannot be printed; the message names file and name.
    """
    odd = next((name for name in names if not name.isprintable()), None)
    if odd is not None:
        raise ValueError(f"{path}: expected printable names, found {shortened(odd)}")


def write_names(path: Path, names: tuple[str, ...]) -> None:
    """Writes ``identifiers.json``."""
    path.write_text(json.dumps(names))


def _sizes(task: PuzzleTask) -> dict[str, int]:
    """Returns what every folder of a task says: unlabelled cells are padding, and puzzle id 0 is the blank one."""
    ids = {"pad_id": PAD_ID, "ignore_label_id": PAD_ID, "blank_identifier_id": 0}
    return ids | {"vocab_size": task.spec.vocab_size, "seq_len": task.spec.seq_len}


def _are_strings(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _found(value: Any) -> str:
    return "none" if value is None else shortened(value)
