"""Generated puzzles: seeded, split by symmetry class, cached on disk with a checksum."""

from __future__ import annotations

import hashlib
import inspect
import os
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_env.files import atomic_write
from hrm_env.sources.puzzles import Puzzles
from hrm_env.task import PuzzleTask

Split = Literal["train", "test"]
GENERATOR_VERSION = 1  # part of the cache's file names: raise it when a generator changes
_CHUNK = 512  # puzzles made at a time


def cache_folder() -> Path:
    """Where generated puzzles are kept: ``$HRM_ENV_CACHE``, else ``~/.cache/hrm_env``."""
    return Path(os.environ.get("HRM_ENV_CACHE") or Path.home() / ".cache" / "hrm_env")


def generated(task: PuzzleTask, split: Split, num_puzzles: int, seed: int, options: dict[str, Any]) -> Puzzles:
    """Puzzles made by the task's generator, from the cache where they were made before.

    A puzzle belongs to the split that the parity of its symmetry key says, so that train and test never share a
    puzzle up to symmetry, whatever their seeds and sizes.

    Raises:
        ValueError: ``split`` or ``num_puzzles`` is out of range.
        TypeError: The task's generator has no such option.
    """
    if split not in get_args(Split):
        raise ValueError(f"split: expected one of {get_args(Split)}, found {split!r}")
    if num_puzzles < 1:
        raise ValueError(f"num_puzzles: expected at least 1, found {num_puzzles}")
    known = list(inspect.signature(task.generate).parameters)[2:]
    unknown = sorted(set(options) - set(known))
    if unknown:
        options_text = ", ".join(known) or "none"
        raise TypeError(f"{task.spec.name}: unknown option {unknown[0]!r}; its generator's options are: {options_text}")
    path = cache_folder() / _file_name(task, split, num_puzzles, seed, options)
    arrays = _read(path)
    if arrays is None:
        arrays = _generate(task, split, num_puzzles, seed, options)
        _write(path, arrays)
    inputs, solution, rating = arrays
    return Puzzles(inputs, solution, np.zeros(len(inputs), dtype=np.int32), rating)


def _generate(
    task: PuzzleTask, split: Split, num_puzzles: int, seed: int, options: dict[str, Any]
) -> tuple[npt.NDArray[Any], ...]:
    """Makes chunks and keeps the puzzles of the split until there are enough."""
    rng = np.random.default_rng([seed, zlib.crc32(split.encode())])
    chunks: list[tuple[npt.NDArray[Any], ...]] = []
    made = rounds = 0
    with tqdm(total=num_puzzles, desc=f"making {task.spec.name} puzzles ({split})", delay=1, leave=False) as bar:
        while made < num_puzzles:
            arrays = task.generate(min(_CHUNK, 2 * (num_puzzles - made) + 8), rng, **options)
            kept = task.symmetry_key(arrays[0]) % np.uint64(2) == (split == "train")
            chunks.append(tuple(array[kept] for array in arrays))
            made += int(kept.sum())
            rounds += 1
            bar.update(int(kept.sum()))
            if made == 0 and rounds > 100:
                raise ValueError(f"{task.spec.name}: none of its puzzles falls into the {split} split")
    return tuple(np.concatenate(part)[:num_puzzles] for part in zip(*chunks, strict=True))


def _file_name(task: PuzzleTask, split: Split, num_puzzles: int, seed: int, options: dict[str, Any]) -> str:
    extra = "".join(f"-{name}{value}" for name, value in sorted(options.items()))
    return f"{task.spec.name}-{split}-{num_puzzles}-seed{seed}{extra}-v{GENERATOR_VERSION}.npz".replace(":", "-")


def _digest(arrays: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[np.uint8]:
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).digest()
    return np.frombuffer(digest, dtype=np.uint8)


def _read(path: Path) -> tuple[npt.NDArray[Any], ...] | None:
    """The cached arrays, or None where there are none or the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = (file["inputs"], file["solution"], file["rating"])
            if np.array_equal(file["sha256"], _digest(arrays)):
                return arrays
        problem = "its checksum does not match"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        problem = str(error)
    warnings.warn(f"{path}: damaged ({problem}); its puzzles are made again", stacklevel=2)
    return None


def _write(path: Path, arrays: tuple[npt.NDArray[Any], ...]) -> None:
    try:
        with atomic_write(path) as file:
            inputs, solution, rating = arrays
            np.savez_compressed(file, inputs=inputs, solution=solution, rating=rating, sha256=_digest(arrays))
    except OSError as error:
        warnings.warn(f"{path}: could not be written ({error}); the puzzles are made anew next time", stacklevel=2)
