"""The file of recorded traces: a line of JSON, then a record of fixed size for each puzzle (docs/traces.md).

Records are only appended, and each has a checksum. An interrupted recording therefore leaves whole puzzles and at most
one incomplete record at the end, and can be continued.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hrm_agent.traces.header import LONGEST_LINE, TraceHeader, parse
from hrm_env.checks import shortened
from hrm_env.files import atomic_write, open_regular

_PIECE = 2**24  # bytes that unpacking needs in addition to its result

Records = npt.NDArray[np.void]
Tokens = npt.NDArray[np.uint8]


def pack(tokens: Tokens, bits: int) -> Tokens:
    """Packs tokens ``(..., L)`` at ``bits`` bits each, lowest bit first: ``(..., ceil(L * bits / 8))`` uint8."""
    digits = np.unpackbits(tokens[..., None], axis=-1, count=bits, bitorder="little")
    return np.packbits(digits.reshape(*tokens.shape[:-1], -1), axis=-1, bitorder="little")


def unpack(packed: Tokens, bits: int, seq_len: int) -> Tokens:
    """Returns the tokens ``(..., L)`` that `pack` packed."""
    rows = packed.reshape(-1, packed.shape[-1])
    tokens = np.empty((len(rows), seq_len), np.uint8)
    step = max(1, _PIECE // (8 * rows.shape[1]))
    for start in range(0, len(rows), step):  # every bit takes a byte here
        digits = np.unpackbits(rows[start : start + step], axis=-1, count=seq_len * bits, bitorder="little")
        digits = digits.reshape(-1, seq_len, bits)
        tokens[start : start + step] = np.packbits(digits, axis=-1, bitorder="little")[..., 0]
    return tokens.reshape(*packed.shape[:-1], seq_len)


class TraceWriter:
    """Appends records to a file, from the first puzzle that it does not hold yet.

    Args:
        path: The file, which is created if it is missing.
        header: Description of the recording.
        chunk: Number of puzzles that are computed together. An incomplete chunk is removed, so that an interrupted
            recording ends as the same file, to the last bit, as an uninterrupted one.

    Attributes:
        count: Number of puzzles in the file.

    Raises:
        ValueError: The file is damaged, holds no recorded traces, or holds another recording.
    """

    def __init__(self, path: Path, header: TraceHeader, chunk: int) -> None:
        if not path.exists():
            _begin(path, header)
        line, found, records = read_records(path)
        _check_same(path, header, found)
        self.path, self._dtype, self._seed = path, found.dtype(), zlib.crc32(line)
        complete = len(records) == found.puzzles
        self.count = len(records) if complete else len(records) // chunk * chunk
        end = len(line) + self.count * self._dtype.itemsize
        if path.stat().st_size > end:
            os.truncate(path, end)

    def append(self, columns: Mapping[str, npt.NDArray[Any]], signals: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Writes the next puzzles, and returns when they are on disk.

        Args:
            columns: ``index``, ``rating``, ``group``, and packed ``inputs`` and ``answers``, a row per puzzle.
            signals: Signals of n puzzles, ``(n, V, M)`` each, or ``(n, V, M, D)``.
        """
        records = np.zeros(len(columns["index"]), self._dtype)
        for name, column in columns.items():
            records[name] = column
        for name, signal in signals.items():
            records["signals"][name] = signal
        records["crc32"] = _checksums(records, self._seed)
        with self.path.open("ab") as file:
            file.write(records.tobytes())
            file.flush()
            os.fsync(file.fileno())
        self.count += len(records)


def read_records(path: Path) -> tuple[bytes, TraceHeader, Records]:
    """Returns the header's line, the header, and all complete records, whose checksums are checked.

    Raises:
        ValueError: The file is missing, damaged, or holds no recorded traces.
    """
    try:
        with open_regular(path) as file:
            line = file.readline(LONGEST_LINE)
            header = parse(path, line)
            dtype, size = header.dtype(), os.fstat(file.fileno()).st_size - len(line)
            if size > header.puzzles * dtype.itemsize:
                expected = f"at most {header.puzzles} records of {dtype.itemsize} bytes"
                raise ValueError(f"{path}: expected {expected} after the header, found {size} bytes")
            records = np.fromfile(file, dtype, size // dtype.itemsize)
    except OSError as error:
        raise ValueError(f"{path}: expected a file of recorded traces, found none ({error.strerror})") from error
    damaged = _checksums(records, zlib.crc32(line)) != records["crc32"]
    if damaged.any():
        number = int(damaged.argmax())
        raise ValueError(f"{path}: expected puzzle {number} as it was recorded, found a damaged record or header")
    misplaced = records["index"] != np.arange(len(records))
    if misplaced.any():
        number = int(misplaced.argmax())
        raise ValueError(f"{path}: expected puzzle {number} in its place, found puzzle {records['index'][number]}")
    return line, header, records


def _checksums(records: Records, seed: int) -> npt.NDArray[np.uint32]:
    """Returns the CRC-32 of each record without its own ``crc32``; the CRC-32 of the header's line is the seed."""
    rows = records.view(np.uint8).reshape(len(records), records.dtype.itemsize)[:, 4:]
    return np.array([zlib.crc32(row, seed) for row in rows], dtype=np.uint32)


def _begin(path: Path, header: TraceHeader) -> None:
    """Writes a file with the header alone."""
    try:
        with atomic_write(path) as file:
            file.write(header.line())
    except OSError as error:
        raise ValueError(f"{path}: expected a file that can be written, found {error.strerror}") from error


def _check_same(path: Path, wanted: TraceHeader, found: TraceHeader) -> None:
    """Refuses to continue another recording; only ``source``, the description of the puzzles, may differ."""
    names = [field.name for field in fields(TraceHeader) if field.name != "source"]
    other = [name for name in names if getattr(wanted, name) != getattr(found, name)]
    if other:
        expected, recorded = (", ".join(f"{n}={shortened(getattr(h, n))}" for n in other) for h in (wanted, found))
        raise ValueError(f"{path}: expected a recording of {expected}, found one of {recorded}; name another file")
