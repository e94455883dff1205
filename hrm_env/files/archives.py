"""Untrusted zip files: their unpacked size is checked before anything is read."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x41  # flags of a member: encryption and strong encryption
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError)
"""Errors that `zipfile` raises for a damaged file."""


@contextmanager
def open_archive(file: BinaryIO, most: int) -> Iterator[zipfile.ZipFile]:
    """Opens a zip file to read within the block. Everything read is verified by its CRC-32.

    Args:
        file: The zip file.
        most: Largest total size of the unpacked members, in bytes.

    Raises:
        ValueError: The file is no zip, unpacks to more, holds two members of one name, holds an encrypted or unusually
            packed member, or what the block reads is damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if any(member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED for member in members):
                raise ValueError("members that are encrypted, or packed in an unusual way")
            if len(archive.namelist()) > len(archive.NameToInfo):
                raise ValueError("members of one name")
            if sum(member.file_size for member in members) > most:
                raise ValueError(f"members that unpack to more than {most} bytes")
            yield archive
    except _DAMAGED as error:
        raise ValueError(f"no intact zip ({error})") from error
