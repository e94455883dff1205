"""Zip files of strangers: what they unpack to is known, and bounded, before any of it is read."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x41  # flags of a member: encrypted, and encrypted strongly
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError)
"""What `zipfile` stumbles over in a damaged file."""


@contextmanager
def open_archive(file: BinaryIO, most: int) -> Iterator[zipfile.ZipFile]:
    """A zip to read within the block; whatever is read of it is compared with its CRC-32.

    Args:
        file: Of the zip.
        most: Bytes that all members may unpack to together.

    Raises:
        ValueError: It is none, unpacks to more, has a name twice or a member that is encrypted or packed in an unusual
            way, or what the block reads is damaged.
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
