"""Reads tensors by name from files of `torch.save`. No code of a file is run, and no tensor is larger than the file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from math import prod
from typing import BinaryIO, cast

import torch
from torch import Tensor

from hrm_agent.foreign.torch_pickle import Stored, Strided, read_pickle
from hrm_env.files.archives import open_archive

_PICKLE = "/data.pkl"
_LONGEST_PICKLE = 2**20  # bytes; a tensor takes about 150
_MOST_DIMENSIONS = 8


def load_tensors(file: BinaryIO) -> dict[str, Tensor]:
    """Reads ``torch.save({name: tensor, ...})`` within the size of the file; a checksum covers everything that is read.

    Without that limit a few bytes could ask for any amount of memory, by a compressed archive or by a tensor whose
    elements share one place.

    Args:
        file: The file, at any position.

    Returns:
        Dense tensors on the CPU.

    Raises:
        ValueError: The file is damaged, unpacks to more than its size, holds more than tensors by name, or has the
            format of torch before 1.6.
        OSError: The file cannot be read.
    """
    size = file.seek(0, os.SEEK_END)
    if not zipfile.is_zipfile(file):
        raise ValueError("no zip, which torch writes since 1.6")
    with open_archive(file, most=size) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(_PICKLE)]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} members with names as of tensors")
        folder = pickles[0].removesuffix(_PICKLE)
        if f"{folder}/byteorder" in archive.namelist() and archive.read(f"{folder}/byteorder") != b"little":
            raise ValueError("numbers whose bytes are not in the order of this machine")
        if archive.getinfo(pickles[0]).file_size > _LONGEST_PICKLE:
            raise ValueError("the names of more than some thousand tensors")
        found = read_pickle(archive.read(pickles[0]))
        _check_sizes(found, size)
        storages = {stored: _read(archive, folder, stored) for stored in {tensor.stored for tensor in found.values()}}
    return {
        name: torch.as_strided(storages[tensor.stored], tensor.size, tensor.stride, tensor.offset)
        for name, tensor in found.items()
    }


def _check_sizes(tensors: Mapping[str, Strided], most: int) -> None:
    """Refuses tensors that reach beyond their storages, or together take more than ``most`` bytes."""
    for stored, offset, size, stride in tensors.values():
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if len(size) > _MOST_DIMENSIONS or 0 in size or last >= stored.length:
            raise ValueError("tensors that are empty, or reach beyond their storage")
    storages = {tensor.stored for tensor in tensors.values()}
    if len({stored.key for stored in storages}) < len(storages):
        raise ValueError("numbers of two types at one place")
    if sum(prod(tensor.size) * tensor.stored.dtype.itemsize for tensor in tensors.values()) > most:
        raise ValueError("tensors that are too large for the file")


def _read(archive: zipfile.ZipFile, folder: str, stored: Stored) -> Tensor:
    """Returns the numbers of a storage."""
    name = f"{folder}/data/{stored.key}"
    expected = stored.length * stored.dtype.itemsize
    if name not in archive.NameToInfo or archive.getinfo(name).file_size != expected:
        raise ValueError("a storage that is missing, or of another size")
    content = bytearray(expected)
    with cast(zipfile.ZipExtFile, archive.open(name)) as stream:
        stream.readinto(content)
    return torch.frombuffer(content, dtype=stored.dtype)
