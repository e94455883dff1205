"""Generated puzzles: seeded, split by symmetry class, cached on disk with a checksum."""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_env.files import atomic_write
from hrm_env.puzzles import Puzzles, concatenate
from hrm_env.task import PuzzleTask

Split = Literal["train", "test"]
GENERATOR_VERSION = 3  # part of the cache's file names: raise it when a generator changes
_CHUNK = 512  # puzzles made at a time
_UNREADABLE = (  # what numpy stumbles over in a damaged file
    *(OSError, EOFError, KeyError, MemoryError, TypeError, ValueError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def cache_folder() -> Path:
    """Where generated puzzles are kept: ``$HRM_ENV_CACHE``, else ``~/.cache/hrm_env``."""
    return Path(os.environ.get("HRM_ENV_CACHE") or Path.home() / ".cache" / "hrm_env")


def generated(
    task: PuzzleTask,
    *,
    split: Split = "train",
    num_puzzles: int = 1000,
    puzzle_seed: int = 0,
    **generator_options: Any,
) -> Puzzles:
    """Puzzles made by the task's generator, from the cache where they were made before.

    A puzzle belongs to the split that the parity of its symmetry key says, so that train and test never share a
    puzzle up to symmetry, whatever their seeds and sizes.

    Args:
        task: The puzzle family.
        split: ``"train"`` or ``"test"``.
        num_puzzles: How many.
        puzzle_seed: Seed of the generator.
        **generator_options: Those of the task's ``generate``, such as Sudoku's ``clues``.

    Raises:
        ValueError: ``split`` or ``num_puzzles`` is out of range.
    """
    check_split(split)
    if num_puzzles < 1:
        raise ValueError(f"num_puzzles: expected at least 1, found {num_puzzles}")
    path = cache_folder() / _file_name(task, split, num_puzzles, puzzle_seed, generator_options)
    puzzles = _read(path, num_puzzles * (2 * task.spec.seq_len + 1000) + 2**16)
    if puzzles is None:
        puzzles = _generate(task, split, num_puzzles, puzzle_seed, generator_options)
        _write(path, puzzles)
    return puzzles


def check_split(split: str) -> None:
    """Refuses what is neither ``"train"`` nor ``"test"``.

    Raises:
        ValueError: ``split`` is another.
    """
    if split not in get_args(Split):
        raise ValueError(f"split: expected one of {get_args(Split)}, found {split!r}")


def _generate(task: PuzzleTask, split: Split, num_puzzles: int, seed: int, options: dict[str, Any]) -> Puzzles:
    """Makes chunks and keeps the puzzles of the split until there are enough."""
    rng = np.random.default_rng([seed, zlib.crc32(split.encode())])
    chunks: list[Puzzles] = []
    made = 0
    with tqdm(total=num_puzzles, desc=f"making {task.spec.name} puzzles ({split})", delay=1, leave=False) as bar:
        while made < num_puzzles:
            chunk = task.generate(min(_CHUNK, 2 * (num_puzzles - made) + 8), rng, **options)
            chunk = chunk[task.symmetry_key(chunk.inputs) % np.uint64(2) == (split == "train")]
            chunks.append(chunk)
            made += len(chunk)
            bar.update(len(chunk))
            if made == 0 and len(chunks) > 100:
                raise ValueError(f"{task.spec.name}: none of its puzzles falls into the {split} split")
    return replace(concatenate(chunks)[:num_puzzles], group=np.arange(num_puzzles, dtype=np.int32))


def _file_name(task: PuzzleTask, split: Split, num_puzzles: int, seed: int, options: dict[str, Any]) -> str:
    extra = "".join(f"-{name}{value}" for name, value in sorted(options.items()))
    return f"{task.spec.name}-{split}-{num_puzzles}-seed{seed}{extra}-v{GENERATOR_VERSION}.npz".replace(":", "-")


def _arrays(puzzles: Puzzles) -> dict[str, npt.NDArray[Any]]:
    """What the cache keeps of generated puzzles."""
    columns = {name: getattr(puzzles, name) for name in ("inputs", "solution", "rating", "puzzle_id")}
    return columns | {"names": np.array(puzzles.names)}


def _digest(arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays))).digest()
    return np.frombuffer(digest, dtype=np.uint8)


def _read(path: Path, most: int) -> Puzzles | None:
    """The cached puzzles, or None where there are none or the file is damaged or unpacks to more than ``most``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if (size := sum(member.file_size for member in file.zip.infolist())) > most:
                raise ValueError(f"expected at most {most} bytes, found {size}")
            arrays = {name: file[name] for name in file.files}
        if np.array_equal(arrays.pop("sha256"), _digest(arrays)):
            return Puzzles(**{**arrays, "names": tuple(arrays["names"].tolist())})
        problem = "its checksum does not match"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except _UNREADABLE as error:
        problem = str(error)
    warnings.warn(f"{path}: damaged ({problem}); its puzzles are made again", stacklevel=2)
    return None


def _write(path: Path, puzzles: Puzzles) -> None:
    arrays = _arrays(puzzles)
    arrays["sha256"] = _digest(arrays)
    try:
        with atomic_write(path) as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        warnings.warn(f"{path}: could not be written ({error}); the puzzles are made anew next time", stacklevel=2)
