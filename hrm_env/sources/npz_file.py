"""Reads numpy's ``.npz`` files: nothing is unpickled, and no more memory is allocated than the file fills."""

from __future__ import annotations

import zipfile
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from hrm_env.files.archives import open_archive
from hrm_env.sources.npy_header import read_header

_SUFFIX = ".npy"
_LAST_CHARACTER = 0x10FFFF


def read_npz(file: BinaryIO, most: int, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """Returns the arrays of a file by name.

    Args:
        file: The file, at its beginning.
        most: Largest size of the unpacked file, in bytes.
        prefix: Prefix of the names to read; arrays of other names are left out.

    Raises:
        ValueError: The file is damaged or unpacks to more, or an array holds anything but numbers, bools or text.
        OSError: The file cannot be read.
    """
    with open_archive(file, most) as archive:
        names = [name for name in archive.namelist() if name.startswith(prefix) and name.endswith(_SUFFIX)]
        return {name.removesuffix(_SUFFIX): _read_member(archive, name) for name in names}


def _read_member(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    with cast(zipfile.ZipExtFile, archive.open(name)) as stream:
        header = read_header(stream)
        if header.num_bytes > archive.getinfo(name).file_size:
            raise ValueError("an array that is shorter than its header says")
        content = bytearray(header.num_bytes)
        if stream.readinto(content) < len(content) or stream.read(1):
            raise ValueError("an array that is shorter or longer than its header says")
    array: npt.NDArray[Any] = np.ndarray(header.shape, header.dtype, content, order=header.order)
    if (
        header.dtype.kind == "U"
        and np.frombuffer(content, header.dtype.byteorder + "u4").max(initial=0) > _LAST_CHARACTER
    ):
        raise ValueError("text with invalid characters")
    return array
