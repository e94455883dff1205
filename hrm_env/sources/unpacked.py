"""The bytes of a file that may be packed with gzip: no more of them than the file's size allows."""

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
"""Times what was read of a file. Sudoku unpacks to 3 times its size, mazes to 6 times, ARC to 13 times."""
_ALWAYS = 2**22  # bytes that any file may unpack to


class Unpacked(io.RawIOBase):
    """A file to be read once, plain or gzip, which its first two bytes tell.

    Args:
        path: The file.

    Attributes:
        size: Of the file, in bytes.

    Raises:
        OSError: The file cannot be opened or is no regular one. Reading raises it where the file is damaged, too, or
            unpacks to more than `MOST_UNPACKED` times what was read of it, and 4 MiB.
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
        """How far the file itself was read."""
        return self._file.tell()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills the buffer with the next bytes, and returns their number; see the class for what is raised."""
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
