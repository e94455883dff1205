"""Reads ARC tasks from the JSON files that ARC Prize publishes, plain or gzip. Every grid is checked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hrm_env.checks import shortened
from hrm_env.sources.generated import Split
from hrm_env.sources.json_file import read_json
from hrm_env.task import PuzzleTask
from hrm_env.tasks.arc.grids import NUM_COLOURS, Grid

_ENDINGS = (".json", ".json.gz")
_LONGEST_ID = 100


class Pair(NamedTuple):
    """An input grid and its output, which is None if it is not published."""

    input: Grid
    output: Grid | None


class ArcTask(NamedTuple):
    """One ARC task.

    Attributes:
        id: Name of the task in ARC, such as ``"007bbfb7"``.
        pairs: Demonstrations under ``"train"``, test pairs under ``"test"``.
    """

    id: str
    pairs: dict[Split, list[Pair]]


def read_tasks(canvas: PuzzleTask, paths: Iterable[str | Path]) -> list[ArcTask]:
    """Reads the tasks of several files and folders, in order.

    Args:
        canvas: The task whose canvas bounds the size of a grid.
        paths: Paths of files or folders of files. A file holds ``{id: {"train": [...], "test": [...]}}``, or one task.
            The ``"output"`` of a test may be missing; for ``NAME_challenges.json``, ``NAME_solutions.json`` beside it
            holds the outputs.

    Raises:
        ValueError: A file is invalid; the message names file, task and pair, what was expected and what was found.
    """
    home: dict[str, Path] = {}
    tasks = []
    for file in (file for path in paths for file in _files(Path(path))):
        for task in _read_file(canvas, file):
            if task.id in home:
                raise ValueError(f"{file}, task {task.id}: expected an id of its own, found it in {home[task.id]}, too")
            home[task.id] = file
            tasks.append(task)
    return tasks


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.name.endswith(_ENDINGS))
    if not files:
        raise ValueError(f"{path}: expected a folder of .json files, found none")
    return files


def _read_file(canvas: PuzzleTask, path: Path) -> list[ArcTask]:
    content = _object(path)
    if isinstance(content.get("train"), list):
        name = path.name
        for ending in _ENDINGS:
            name = name.removesuffix(ending)
        _check_ids(path, [name])
        content = {name: content}
    solutions = _solutions(path, content)
    return [_task(canvas, f"{path}, task {id}", id, entry, solutions.get(id)) for id, entry in content.items()]


def _object(path: Path) -> dict[str, Any]:
    """Reads a JSON file, which must hold an object whose keys can be names."""
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path}: expected a JSON object of ARC tasks, found {shortened(content)}")
    _check_ids(path, content)
    return content


def _check_ids(path: Path, ids: Iterable[str]) -> None:
    """Refuses ids that cannot be names."""
    odd = next((id for id in ids if not (id.isprintable() and 0 < len(id) <= _LONGEST_ID)), None)
    if odd is not None:
        wanted = f"ids of 1 to {_LONGEST_ID} printable characters"
        raise ValueError(f"{path}: expected {wanted}, found {shortened(odd)}")


def _solutions(path: Path, challenges: dict[str, Any]) -> dict[str, Any]:
    """Returns the test outputs of each task of ``NAME_challenges.json`` if ``NAME_solutions.json`` exists."""
    beside = path.with_name(path.name.replace("_challenges.json", "_solutions.json"))
    if beside == path or not beside.exists():
        return {}
    solutions = _object(beside)
    alone = sorted(solutions.keys() ^ challenges.keys())
    if alone:
        raise ValueError(f"{beside}: expected the tasks of {path.name}, found {alone[0]} in one of the two files only")
    return solutions


def _task(canvas: PuzzleTask, where: str, id: str, entry: Any, solutions: Any) -> ArcTask:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(part), list) for part in ("train", "test")):
        raise ValueError(f"{where}: expected an object with lists train and test, found {shortened(entry)}")
    if not entry["train"]:
        raise ValueError(f"{where}: expected at least one demonstration pair, found none")
    tests = entry["test"]
    if solutions is not None:
        if not isinstance(solutions, list) or len(solutions) != len(tests):
            raise ValueError(f"{where}: expected a list of {len(tests)} test solutions, found {shortened(solutions)}")
        tests = [_with_output(test, output) for test, output in zip(tests, solutions, strict=True)]
    train, test = (
        [_pair(canvas, f"{where}, {split} pair {number}", pair) for number, pair in enumerate(pairs, 1)]
        for split, pairs in (("train", entry["train"]), ("test", tests))
    )
    for number, pair in enumerate(train, 1):
        if pair.output is None:
            raise ValueError(f"{where}, train pair {number}: expected an output, found none")
    return ArcTask(id, {"train": train, "test": test})


def _with_output(test: Any, output: Any) -> Any:
    return test | {"output": output} if isinstance(test, dict) else test


def _pair(canvas: PuzzleTask, where: str, pair: Any) -> Pair:
    if not isinstance(pair, dict) or "input" not in pair:
        raise ValueError(f"{where}: expected an object with input and output, found {shortened(pair)}")
    output = None if pair.get("output") is None else _grid(canvas, f"{where}, output", pair["output"])
    return Pair(_grid(canvas, f"{where}, input", pair["input"]), output)


def _grid(canvas: PuzzleTask, where: str, rows: Any) -> Grid:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError(f"{where}: expected a list of rows, found {shortened(rows)}")
    if not rows or not rows[0]:
        raise ValueError(f"{where}: expected at least one cell, found an empty grid")
    height, width = len(rows), len(rows[0])
    for row in rows:
        if len(row) != width:
            raise ValueError(f"{where}: expected rows of one length, found {width} and {len(row)} cells")
    if height > canvas.spec.height or width > canvas.spec.width:
        most = f"{canvas.spec.height}x{canvas.spec.width}"
        raise ValueError(f"{where}: expected at most {most} cells, found {height}x{width}")
    for cell in (cell for row in rows for cell in row):
        if type(cell) is not int or not 0 <= cell < NUM_COLOURS:  # a bool is an int but no colour
            raise ValueError(f"{where}: expected colours 0 to {NUM_COLOURS - 1}, found {shortened(cell)}")
    return np.array(rows, dtype=np.uint8)
