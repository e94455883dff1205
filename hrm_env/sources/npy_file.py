"""Reads arrays from ``.npy`` files: tokens stay on disk, and every number is checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from hrm_env.checks import reason, shortened
from hrm_env.files import open_regular
from hrm_env.puzzles import Numbers, Tokens
from hrm_env.sources.npy_header import read_header

_BUFFER = 1 << 20  # bytes checked at a time


def open_tokens(path: Path, seq_len: int, vocab_size: int) -> Tokens:
    """Opens tokens ``(N, L)`` uint8: mapped from a file of uint8 (copy on write), converted from other integers.

    The check reads through a buffer instead of the mapping, so that few of the tokens stay in memory.

    Args:
        path: Path of the file.
        seq_len: Number of tokens L of a puzzle.
        vocab_size: Exclusive upper bound V of the tokens.

    Raises:
        ValueError: The file is invalid; the message names it, what was expected and what was found.
    """
    mapped = _open(path, f"integers of shape (N, {seq_len})", (None, seq_len))
    convert = mapped.dtype != np.uint8
    tokens = np.empty(mapped.shape, dtype=np.uint8) if convert else np.asarray(mapped)
    buffer = np.empty((max(1, _BUFFER // (seq_len * mapped.itemsize)), seq_len), dtype=mapped.dtype)
    with open_regular(path) as file:
        file.seek(mapped.offset)
        for start in range(0, len(tokens), len(buffer)):
            part = buffer[: len(tokens) - start]
            file.readinto(part.data.cast("B"))
            if part.min() < 0 or part.max() >= vocab_size:
                row, cell = np.argwhere((part < 0) | (part >= vocab_size))[0]
                wanted = f"tokens 0 to {vocab_size - 1}"
                raise ValueError(f"{path}: expected {wanted}, found {part[row, cell]} in row {start + row}")
            if convert:
                tokens[start : start + len(part)] = part
    return tokens


def read_offsets(path: Path, end: int) -> Numbers:
    """Reads the starts of K things and their end, ``(K + 1,)`` int32: ascending from 0 to ``end``.

    Raises:
        ValueError: The file is invalid; the message names it, what was expected and what was found.
    """
    offsets = np.array(_open(path, "integers of shape (K + 1,)", (None,)))
    found = None
    if offsets[0] != 0:
        found = f"{offsets[0]} as the first"
    elif offsets[-1] != end:
        found = f"{offsets[-1]} as the last"
    elif not (ascends := offsets[1:] > offsets[:-1]).all():
        place = int(np.argmin(ascends))
        found = f"{offsets[place + 1]} after {offsets[place]}"
    if found is not None:
        raise ValueError(f"{path}: expected ascending numbers from 0 to {end}, found {found}")
    return offsets.astype(np.int32, copy=False)


def read_numbers(path: Path, count: int, below: int) -> Numbers:
    """Reads numbers ``(count,)`` int32, from 0 to ``below`` - 1.

    Raises:
        ValueError: The file is invalid; the message names it, what was expected and what was found.
    """
    numbers = np.array(_open(path, f"integers of shape ({count},)", (count,)))
    outside = numbers[(numbers < 0) | (numbers >= below)]
    if outside.size:
        raise ValueError(f"{path}: expected numbers 0 to {below - 1}, found {outside[0]}")
    return numbers.astype(np.int32, copy=False)


def _open(path: Path, wanted: str, shape: tuple[int | None, ...]) -> np.memmap[Any, np.dtype[np.integer[Any]]]:
    """Maps integers of a shape, in which None stands for any length above 0."""
    try:
        with open_regular(path) as file:
            header, offset = read_header(file), file.tell()
            if header.num_bytes > os.fstat(file.fileno()).st_size - offset:
                raise ValueError("it is shorter than its header says")
            # copy on write, because torch wants writable arrays
            mapped = np.memmap(file, header.dtype, "c", offset, header.shape, header.order)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: expected a readable npy file ({reason(error)})") from error
    fits = mapped.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, mapped.shape, strict=True)
    )
    if not (fits and mapped.size and mapped.dtype.kind in "iu" and mapped.flags.c_contiguous):
        order = "" if mapped.flags.c_contiguous else " in Fortran order"
        found = f"{mapped.dtype} of shape {shortened(mapped.shape)}{order}"
        raise ValueError(f"{path}: expected {wanted}, found {found}")
    return mapped
