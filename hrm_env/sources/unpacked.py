"""Reads files that may be packed with gzip; the unpacked size is bounded by the file's size."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from hrm_env.files import open_regular

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_UNPACKED = 50
"""Largest ratio of unpacked to read bytes. Sudoku unpacks to 3 times its size, mazes to 6 times, ARC to 13 times."""
_ALWAYS = 2**22  # unpacked bytes allowed for any file


class Unpacked(io.RawIOBase):
    """A file to read once, plain or gzip; its first two bytes tell which.

    Args:
        path: Path of the file.

    Attributes:
        size: Size of the file in bytes.

    Raises:
        OSError: The file cannot be opened or is not regular. Reading raises it if the file is damaged or unpacks to
            more than 4 MiB plus `MOST_UNPACKED` times the bytes read.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_regular(path)
        self.size = os.fstat(self._file.fileno()).st_size
        packed = self._file.read(2) == b"\x1f\x8b"
        self._file.seek(0)
        self._source = gzip.GzipFile(fileobj=self._file) if packed else self._file
        self._count = 0

    @property
    def position(self) -> int:
        """Number of bytes read from the file itself."""
        return self._file.tell()

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills the buffer with the next bytes and returns their number; the class says what is raised."""
        try:
            count = self._source.readinto(buffer)
        except (EOFError, zlib.error) as error:
            raise OSError(str(error)) from error
        self._count += count
        if self._count > _ALWAYS + MOST_UNPACKED * self.position:
            raise OSError(f"it unpacks to more than {MOST_UNPACKED} times its size")
        return count

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()
