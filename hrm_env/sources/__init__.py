"""Where puzzles come from. Each kind of source is one reader, whose keyword arguments are the source's options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from os.path import isdir
from pathlib import Path
from typing import Any, Literal

from hrm_env.puzzles import Puzzles
from hrm_env.sources.csv_file import BadRows, read_csv
from hrm_env.sources.folder import is_folder, is_split, read_folder, read_split
from hrm_env.sources.generated import Split, generated
from hrm_env.task import PuzzleTask

__all__ = ["BadRows", "Source", "Split", "load_puzzles", "options_of"]

Source = Literal["generated"] | str | Puzzles


def load_puzzles(task: PuzzleTask, source: Source = "generated", **options: Any) -> Puzzles:
    """Loads the puzzles of an environment.

    Args:
        task: The puzzle family.
        source: ``"generated"``; ``"hub:owner/name"``, a data set of the Hugging Face hub; the path of a built folder
            as the HRM reference code writes it, or of one split of it; the path of ARC tasks, a JSON file or a folder
            of them; the path of a CSV file, plain or gzip; or `Puzzles` in memory.
        **options: Those of the source's reader: `generated`, `read_hub`, `read_folder`, `read_split`, `read_arc`,
            `read_csv`.

    Raises:
        ValueError: A file, row or option is not as it should be; the message names it.
        TypeError: The source has no such option.
    """
    known = options_of(task, source)
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        kind = "puzzles in memory" if isinstance(source, Puzzles) else f"the source {source!r}"
        text = ", ".join(known) or "none"
        raise TypeError(f"{task.spec.name}: unknown option {unknown!r}; the options of {kind} are: {text}")
    return _reader(task, source)(**options)


def options_of(task: PuzzleTask, source: Source) -> list[str]:
    """Names of the options of a source; one with ``split`` holds both training and test puzzles."""
    parameters = inspect.signature(_reader(task, source)).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    if source == "generated":  # those of the task's own generator, after self-evident count and rng
        names += list(inspect.signature(task.generate).parameters)[2:]
    return names


def _reader(task: PuzzleTask, source: Source) -> Callable[..., Puzzles]:
    if isinstance(source, Puzzles):
        return partial(_in_memory, task, source)
    if source == "generated":
        return partial(generated, task)
    if source.startswith("hub:"):
        from hrm_env.sources.hub import read_hub

        return partial(read_hub, task, source.removeprefix("hub:"))
    return partial(_file_reader(Path(source)), task, source)


def _file_reader(path: Path) -> Callable[..., Puzzles]:
    if is_split(path):
        return read_split
    if is_folder(path):
        return read_folder
    is_dir = isdir(path)
    if path.name.endswith((".json", ".json.gz")) or (is_dir and any(path.glob("*.json"))):
        from hrm_env.sources.arc_json import read_arc

        return read_arc
    if is_dir:
        wanted = "a folder with train/dataset.json or test/dataset.json, one with ARC's .json files, or a CSV file"
        raise ValueError(f"{path}: expected {wanted}, found a folder with neither")
    return read_csv


def _in_memory(task: PuzzleTask, puzzles: Puzzles) -> Puzzles:
    if puzzles.inputs.shape[1] != task.spec.seq_len:
        raise ValueError(
            f"source: expected puzzles of {task.spec.seq_len} cells ({task.spec.name}), found {puzzles.inputs.shape[1]}"
        )
    return puzzles
