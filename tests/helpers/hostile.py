"""Hostile files that would run code, fill the memory or write elsewhere, and archives made by hand."""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

HUGE = 2 << 30  # bytes that a bomb unpacks to
NAMES = ("config.json", "policy.safetensors", "data", "policy.pth", "step/data.pkl", "step/data/0", "weights/x.npy")
"""Names that the doors look for in an archive."""


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def payloads(trap: Path) -> dict[str, bytes]:
    """Returns, by name, contents that no door may accept; a pickle among them would create the file ``trap``."""
    found = {"nothing": b"", "text": b"no such thing", "noise": np.random.default_rng(0).bytes(5000)}
    found |= {f"pickle, protocol {protocol}": pickle.dumps(Trap(trap), protocol) for protocol in (0, 2, 5)}
    for name, packed in (("torch.save", True), ("torch.save of old", False)):
        weights = {"core.token_embedding": torch.zeros(5, 16), "trap": Trap(trap)}
        found[name] = written(partial(torch.save, weights, _use_new_zipfile_serialization=packed))
    objects = np.array([Trap(trap)], dtype=object)
    found["array of objects"] = written(lambda file: np.save(file, objects, allow_pickle=True))
    found["archive of arrays of objects"] = written(lambda file: savez(file, {"weights/x": objects}))
    found["pickles for members"] = archive(dict.fromkeys(NAMES, pickle.dumps(Trap(trap))))
    found["a pickle more"] = archive({"config.json": b"{}", "data.pkl": pickle.dumps(Trap(trap))})
    found["names elsewhere"] = archive({"../../elsewhere": b"x", "/tmp/elsewhere": b"x", "..\\elsewhere": b"x"})
    found["bomb"] = b"".join(entries((name, bomb(), 8, HUGE) for name in NAMES))
    whole = written(lambda file: torch.save({"inner.H_init": torch.zeros(16)}, file))
    with zipfile.ZipFile(io.BytesIO(whole)) as zipped:
        records = {name: (name, zipped.read(name), 0, zipped.getinfo(name).file_size) for name in zipped.namelist()}
    storage = next(name for name in records if name.endswith("/data/0"))
    records[storage] = (storage, bomb(), 8, HUGE)
    found["bomb in torch.save"] = b"".join(entries(records.values()))
    found["bomb of gzip"] = b"\x1f\x8b\x08" + bytes(7) + bomb() + bytes(8)
    found["bomb of brackets"] = b"[" * 3_000_000
    found["sizes that lie"] = b"".join(entries((name, b"x" * 99, 0, HUGE) for name in NAMES))
    huge_header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 16)}
    found["array of 10^12 rows"] = written(lambda file: np.lib.format.write_array_header_1_0(file, huge_header))
    claim = json.dumps({"x": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4 * 10**18]}}).encode()
    found["tensor of 10^18 numbers"] = len(claim).to_bytes(8, "little") + claim
    found["long header of tensors"] = (2**62).to_bytes(8, "little") + b"{}"
    spread = {"inner.embed_tokens.embedding_weight": torch.zeros(1).expand(HUGE // 4)}
    found["tensor of one number"] = written(lambda file: torch.save(spread, file))
    return found


def savez(file: IO[bytes] | Path, arrays: Mapping[str, Any], compressed: bool = False) -> None:
    """Writes arrays of any names, which the annotations of numpy do not allow."""
    write: Callable[..., None] = np.savez_compressed if compressed else np.savez
    write(file, **arrays)


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    """Returns what a function writes to a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def archive(members: Mapping[str, bytes]) -> bytes:
    """Returns a zip file of uncompressed members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return file.getvalue()


def bomb() -> bytes:
    """Returns a deflate stream of a few megabytes that unpacks to `HUGE` zeros: one block, repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (HUGE >> 20) + packer.flush()


def entries(files: Iterable[tuple[str, bytes, int, int]]) -> Iterator[bytes]:
    """Yields the bytes of a zip from each member's name, raw content, compression method and claimed size."""
    directory, at, count = b"", 0, 0
    for name, content, method, claimed in files:
        checksum = 0 if method else zlib.crc32(content)
        common = struct.pack("<HHHIIIIHH", 20, 0, method, 0, checksum, len(content), claimed, len(name), 0)
        yield b"PK\3\4" + common + name.encode() + content
        directory += b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, at) + name.encode()
        at, count = at + 30 + len(name) + len(content), count + 1
    yield directory + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), at, 0)


def sealed(members: Mapping[str, bytes], change: Callable[[list[zipfile.ZipInfo]], Any] = lambda _: None) -> bytes:
    """Returns a checkpoint of these members with a correct checksum.

    Args:
        members: Contents by name.
        change: Function that changes the entries of the directory before they are written.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.comment = bytes(64)
        for name, content in members.items():
            zipped.writestr(zipfile.ZipInfo(name), content)
        change(zipped.filelist)
    return resealed(file.getvalue())


def taken_apart(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Returns the config of a checkpoint, and all its members."""
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    return json.loads(members["config.json"]), members


def resealed(content: bytes) -> bytes:
    """Returns a checkpoint with its checksum corrected."""
    return content[:-64] + sha256(content[:-64]).hexdigest().encode()


def resealed_traces(line: bytes, records: np.ndarray) -> bytes:
    """Returns a recording with its checksums corrected."""
    for number, record in enumerate(records):
        records["crc32"][number] = zlib.crc32(record.tobytes()[4:], zlib.crc32(line))
    return line + records.tobytes()


@contextmanager
def little_memory(megabytes: float = 300) -> Iterator[None]:
    """Fails if the block uses more memory than that at any moment; has no effect outside Linux."""
    if not (clear := Path("/proc/self/clear_refs")).exists():
        yield
        return
    clear.write_text("5")  # the highest use begins anew
    before = _memory("VmRSS")
    yield
    assert _memory("VmHWM") - before < megabytes


def _memory(field: str) -> float:
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1e3
