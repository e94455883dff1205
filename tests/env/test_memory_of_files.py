"""Small files that ask for much memory: a process of its own opens all of them, and its peak stays low."""

from __future__ import annotations

import gzip
import json
import resource
import zipfile
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from doors import DOORS, SUDOKU
from hostile import savez, written
from processes import FORKS

from hrm_env.sources.folder import write_folder

MIB = 2**20
MOST = 128 * MIB  # beyond what the process has when it begins


def repeated(begin: bytes, block: bytes, times: int) -> bytes:
    """Gzip of ``begin`` and of a block again and again, made in no time; it ends without its checksum."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    first = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + packed * times


def scattered(units: list[bytes], count: int) -> bytes:
    """A JSON list of units in random order, which gzip makes little smaller."""
    chosen = np.random.default_rng(0).integers(len(units), size=count)
    return b"[" + b",".join([units[number] for number in chosen]) + b"]"


def deflated(members: dict[str, bytes]) -> bytes:
    def write(file: Any) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return written(write)


def small_pickle(call: bytes, argument: int) -> bytes:
    """What `torch.save` would write if a function with one number as argument were a tensor."""
    program = b"\x80\x02}X\x01\x00\x00\x00ac" + call + b"\x8a\x06" + argument.to_bytes(6, "little") + b"\x85Rs."
    return written(lambda file: _archive(file, {"a/data.pkl": program, "a/version": b"3", "a/byteorder": b"little"}))


def _archive(file: Any, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


HEADER = b"source,question,answer,rating\n"
ROW = b"made up,..43342121344312,1243342121344312,3\n"
COMMAS, SHORT = b"," * (MIB - 2) + b"\n", b"ab," * (MIB // 3 - 1) + b"\n"
PAIR = b'"%d":{"train":[{"input":[[1]],"output":[[1]]}],"test":[]}'

PAYLOADS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a line of commas, again and again": ("CSV", lambda: repeated(HEADER, COMMAS, 280)),
    "a line of short fields": ("CSV", lambda: repeated(HEADER, SHORT, 280)),
    "commas unpacked": ("CSV", lambda: HEADER + COMMAS * 20),
    "a good row, again and again": ("CSV", lambda: repeated(HEADER, ROW * 1000, 300)),
    "a quote that never ends": ("CSV", lambda: repeated(HEADER + b'"', b"x" * 99 + b"\n", 100_000)),
    "lists": ("ARC", lambda: gzip.compress(scattered([b"[]", b"{}"], 2 * MIB), 1)),
    "numbers": ("ARC", lambda: scattered([b"1.5", b"300"], MIB // 2)),
    "small grids": (
        "ARC",
        lambda: gzip.compress(b"{" + b",".join(PAIR % number for number in range(99_999)) + b"}", 1),
    ),
    "brackets that are packed": ("halting policy", lambda: deflated({"data": b"[" * 60 * MIB, "policy.pth": b""})),
    "lists for data": ("halting policy", lambda: deflated({"data": b"[" + b"[]," * 9 * MIB, "policy.pth": b""})),
    "a million sizes": ("folder, sizes", lambda: scattered([b'"ab"', b"{}", b"[]"], MIB)),
    "a list of names": ("folder, names", lambda: scattered([b'"ab"', b'"cd"'], MIB // 2)),
    "an array of zeros": (
        "reference, npz",
        lambda: written(lambda file: savez(file, {"weights/x": np.zeros(16 * MIB)}, compressed=True)),
    ),
    "a buffer of bytes": ("reference", lambda: small_pickle(b"builtins\nbytearray\n", 2**32)),
    "a tensor of a size": ("reference", lambda: small_pickle(b"torch\nTensor\n", 2**30)),
    "an older format of torch": (
        "reference",
        lambda: written(
            lambda file: torch.save({"inner.H_init": torch.zeros(9)}, file, _use_new_zipfile_serialization=False)
        ),
    ),
}


def try_all(files: list[tuple[str, str, Path]], report: Connection) -> None:
    """Sends the sentence of each door, and the peak so far beyond that of the beginning."""
    begin, said = _peak(), {}
    for name, door, path in files:
        try:
            text = f"opened: {type(DOORS[door][1](path)).__name__}"
        except ValueError as error:
            text = str(error)
        said[name] = (text, _peak() - begin)
    report.send(said)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_small_files_take_little_memory(tmp_path: Path) -> None:
    files = []
    for number, (name, (door, make)) in enumerate(PAYLOADS.items()):
        folder, path = tmp_path / str(number), tmp_path / str(number) / DOORS[door][0]
        write_folder(SUDOKU, folder, {"train": SUDOKU.generate(6, np.random.default_rng(0))})
        path.write_bytes(make())
        files.append((name, door, path))
    sizes, names = tmp_path / "0" / "train" / "dataset.json", tmp_path / "0" / "identifiers.json"
    sizes.write_text(json.dumps(json.loads(sizes.read_text()) | {"num_puzzle_identifiers": 10**9}))
    names.unlink()
    files.append(("names of 10^9 ids", "folder, names", names))
    here, there = FORKS.Pipe()
    process = FORKS.Process(target=try_all, args=(files, there))
    process.start()
    there.close()
    said = here.recv()
    process.join()
    assert len(said) == len(PAYLOADS) + 1
    for name, (text, peak) in said.items():
        assert peak < MOST, (name, text, peak // MIB)
        assert "\n" not in text
        assert len(text) < 600
