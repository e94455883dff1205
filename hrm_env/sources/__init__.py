"""Sources of puzzles. Each kind of source has one reader, whose keyword arguments are the source's options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import partial
from os.path import isdir
from pathlib import Path
from typing import Any, Literal

from hrm_env.checks import check_known, keywords, shortened
from hrm_env.puzzles import Puzzles
from hrm_env.sources.csv_file import BadRows, read_csv
from hrm_env.sources.folder import is_folder, is_split, read_folder, read_split
from hrm_env.sources.generated import Split, generated
from hrm_env.sources.json_file import holds_json
from hrm_env.task import PuzzleTask

__all__ = ["BadRows", "Source", "Split", "described", "load_puzzles", "options_of"]

Source = Literal["generated"] | str | os.PathLike[str] | Puzzles


def load_puzzles(task: PuzzleTask, source: Source = "generated", **options: Any) -> Puzzles:
    """Loads the puzzles of an environment.

    Args:
        task: The puzzle family.
        source: ``"generated"``; ``"hub:owner/name"``, a data set of the Hugging Face hub; the path of a folder built by
            the HRM reference code, or of one split of it; the path of a file or folder in a format of the task's own
            (`PuzzleTask.file_reader`), such as ARC's JSON files; the path of a CSV file, plain or gzip; or `Puzzles` in
            memory.
        **options: Options of the source's reader: `generated`, `read_hub`, `read_folder`, `read_split`, `read_csv`, or
            the task's own, such as `read_arc`.

    Raises:
        ValueError: A file, row or option is invalid; the message names it.
        UnknownOptionError: The source has no such option.
    """
    check_known(described(source), options, options_of(task, source))
    return _reader(task, source)(**options)


def options_of(task: PuzzleTask, source: Source) -> list[str]:
    """Returns the names of a source's options; a source with ``split`` holds both training and test puzzles."""
    names = keywords(_reader(task, source))
    if source == "generated":  # options of the task's generator, after count and rng
        names += list(inspect.signature(task.generate).parameters)[2:]
    return names


def described(source: Source) -> str:
    """Returns what messages call a source."""
    return "puzzles in memory" if isinstance(source, Puzzles) else f"the source {shortened(source)}"


def _reader(task: PuzzleTask, source: Source) -> Callable[..., Puzzles]:
    if isinstance(source, Puzzles):
        return partial(_in_memory, task, source)
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if not isinstance(source, str) or not source:
        raise ValueError(f"source: expected 'generated', a data set, a path or Puzzles, found {shortened(source)}")
    if source == "generated":
        return partial(generated, task)
    if source.startswith("hub:"):
        from hrm_env.sources.hub import read_hub

        return partial(read_hub, task, source.removeprefix("hub:"))
    return partial(_file_reader(task, Path(source)), task, source)


def _file_reader(task: PuzzleTask, path: Path) -> Callable[..., Puzzles]:
    if is_split(path):
        return read_split
    if is_folder(path):
        return read_folder
    own = task.file_reader(path)
    if own is not None:
        return own
    if holds_json(path):
        raise ValueError(f"{path}: expected a task that reads JSON files (arc:30x30), found {task.spec.name}")
    if isdir(path):
        wanted = "a folder with train/dataset.json or test/dataset.json, one with ARC's .json files, or a CSV file"
        raise ValueError(f"{path}: expected {wanted}, found a folder with neither")
    return read_csv


def _in_memory(task: PuzzleTask, puzzles: Puzzles) -> Puzzles:
    puzzles.check_fit(task.spec.name, task.spec.seq_len, task.spec.vocab_size)
    return puzzles
