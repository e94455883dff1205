"""Generated puzzles: seeded, split by symmetry class, and cached on disk with a checksum."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast, get_args
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import platformdirs
from tqdm import tqdm

from hrm_env.checks import check_choice, check_integer, reason
from hrm_env.files import atomic_write, open_regular
from hrm_env.puzzles import Puzzles, concatenate
from hrm_env.sources.npz_file import read_npz
from hrm_env.task import PuzzleBatch, PuzzleTask

Split = Literal["train", "test"]
GENERATOR_VERSION = 4  # part of the cache's file names; raise it when a generator changes
_CHUNK = 256  # puzzles generated at a time, from a random generator of their own
_SAVED_EVERY = 10.0  # seconds between two copies of the puzzles so far
_TRIED = 1000  # puzzles of a cached file whose solutions are checked again
LARGEST_SEED = 2**63 - 1


def cache_folder() -> Path:
    """Returns the cache of generated puzzles: ``$HRM_ENV_CACHE``, else the user's cache, such as ``~/.cache/hrm_env``.

    If the user has no home, as in some containers, the cache lies in the folder of temporary files.
    """
    chosen = os.environ.get("HRM_ENV_CACHE")
    if os.path.expanduser(chosen or "~").startswith("~"):
        return Path(tempfile.gettempdir(), "hrm_env")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("hrm_env")


def generated(
    task: PuzzleTask,
    *,
    split: Split = "train",
    num_puzzles: int = 1000,
    puzzle_seed: int = 0,
    **generator_options: Any,
) -> Puzzles:
    """Generates puzzles, or reads them from the cache.

    The parity of its symmetry key assigns a puzzle to a split. So training and test never share a puzzle up to
    symmetry, whatever their seeds and sizes.

    Args:
        task: The puzzle family.
        split: ``"train"`` or ``"test"``.
        num_puzzles: Number of puzzles.
        puzzle_seed: Seed of the generator.
        **generator_options: Options of the task's ``generate``, such as Sudoku's ``clues``.

    Raises:
        ValueError: An option has the wrong type or is out of range.
    """
    check_split(split)
    num_puzzles = check_integer("num_puzzles", num_puzzles, 1, 2**31 - 1)
    puzzle_seed = check_integer("puzzle_seed", puzzle_seed, 0, LARGEST_SEED)
    path = cache_folder() / _file_name(task, split, num_puzzles, puzzle_seed, generator_options)
    cached = _read(path, task, range(num_puzzles, num_puzzles + 1))
    if cached is not None:
        return cached[0]
    partial = path.with_suffix(".partial.npz")  # keeps the puzzles of an interrupted call
    puzzles = _generate(partial, task, split, num_puzzles, puzzle_seed, generator_options)
    _write(path, puzzles)
    if partial.exists():
        partial.unlink()
    return puzzles


def check_split(split: str) -> None:
    """Refuses a split other than ``"train"`` and ``"test"``.

    Raises:
        ValueError: ``split`` is anything else.
    """
    check_choice("split", split, get_args(Split))


def _generate(
    partial: Path, task: PuzzleTask, split: Split, num_puzzles: int, seed: int, options: dict[str, Any]
) -> Puzzles:
    """Generates chunks and keeps the puzzles of the split until there are enough; continues an interrupted call."""
    begun, tried = _read(partial, task, range(1, num_puzzles)) or (None, 0)
    chunks = [begun] if begun and tried else []
    made, size, saved = sum(map(len, chunks)), min(_CHUNK, 2 * num_puzzles + 8), time.monotonic()
    title = f"generating {task.spec.name} puzzles ({split})"
    with tqdm(total=num_puzzles, initial=min(made, num_puzzles), desc=title, delay=1, leave=False) as bar:
        while made < num_puzzles:
            chunk = task.generate(size, np.random.default_rng([seed, zlib.crc32(split.encode()), tried]), **options)
            chunks.append(chunk[task.symmetry_key(chunk.inputs) % np.uint64(2) == (split == "train")])
            tried, made = tried + 1, made + len(chunks[-1])
            bar.update(min(made, num_puzzles) - bar.n)
            if made == 0 and tried > 100:
                raise ValueError(f"{task.spec.name}: none of its puzzles falls into the {split} split")
            if time.monotonic() - saved > _SAVED_EVERY:
                _write(partial, concatenate(chunks), tried=tried)
                saved = time.monotonic()
    return replace(concatenate(chunks)[:num_puzzles], group=np.arange(num_puzzles, dtype=np.int32))


def _file_name(task: PuzzleTask, split: Split, num_puzzles: int, seed: int, options: dict[str, Any]) -> str:
    extra = "".join(f"-{name}{quote(str(value), safe='')}" for name, value in sorted(options.items()))
    return f"{task.spec.name}-{split}-{num_puzzles}-seed{seed}{extra}-v{GENERATOR_VERSION}.npz".replace(":", "-")


def _digest(arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays))).digest()
    return np.frombuffer(digest, dtype=np.uint8)


def _read(path: Path, task: PuzzleTask, counts: range) -> tuple[Puzzles, int] | None:
    """Returns the puzzles of a file and the number of chunks tried for them, 0 if the file is complete.

    Args:
        path: Path of the file.
        task: The puzzle family.
        counts: The possible numbers of puzzles.

    Returns:
        None if there is no file or, with a warning, if it is damaged or holds anything else.
    """
    try:
        with open_regular(path) as file:
            arrays = read_npz(file, most=counts.stop * (2 * task.spec.seq_len + 1000) + 2**16)
        if not np.array_equal(arrays.pop("sha256", []), _digest(arrays)):
            raise ValueError("its checksum does not match")
        tried = arrays.pop("tried", np.array(0))
        if tried.shape != () or tried.dtype.kind != "i":
            raise ValueError("it holds other arrays")
        return _checked(task, counts, arrays), int(tried)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        warnings.warn(f"{path}: damaged ({reason(error)}); its puzzles are generated again", stacklevel=2)
        return None


def _checked(task: PuzzleTask, counts: range, arrays: dict[str, npt.NDArray[Any]]) -> Puzzles:
    """Returns the puzzles of the arrays. Checks every token, and the solutions of 1,000 puzzles.

    Raises:
        ValueError: The arrays do not hold puzzles of the task.
    """
    count = len(np.atleast_1d(arrays.get("inputs", np.empty(0))))
    tokens, numbers = (count, task.spec.seq_len), (count,)
    shapes = {"inputs": tokens, "solution": tokens, "rating": numbers, "puzzle_id": numbers}
    names = arrays.pop("names", np.empty(0))
    found = {name: array.shape if array.dtype.kind in "iu" else None for name, array in arrays.items()}
    if count not in counts or found != shapes:
        raise ValueError("it holds other arrays")
    if names.dtype.kind != "U" or names.ndim != 1:
        raise ValueError("it holds no names")
    columns: dict[str, Any] = {**arrays, "names": tuple(names.tolist())}
    puzzles = Puzzles(**columns)
    puzzles.check_fit(task.spec.name, task.spec.seq_len, task.spec.vocab_size)
    tried = PuzzleBatch.of(puzzles[np.linspace(0, count - 1, min(count, _TRIED)).astype(np.int64)])
    if not task.check(tried.inputs, tried.solution).all():
        raise ValueError("it holds a wrong solution")
    return puzzles


def _write(path: Path, puzzles: Puzzles, **more: int) -> None:
    """Writes puzzles and numbers to the cache, or warns if that fails."""
    columns = {name: getattr(puzzles, name) for name in ("inputs", "solution", "rating", "puzzle_id")}
    arrays = columns | {"names": np.array(puzzles.names)} | {name: np.array(number) for name, number in more.items()}
    arrays["sha256"] = _digest(arrays)
    try:
        with atomic_write(path) as file:
            np.savez_compressed(file, **cast(dict[str, Any], arrays))  # its stubs name its own options alone
    except OSError as error:
        warnings.warn(
            f"{path}: could not be written ({reason(error)}); the next call generates the puzzles again", stacklevel=2
        )
