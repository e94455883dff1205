"""Opening files that may be anything, and writing files and folders so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

_TEMPORARY = ".tmp"


def open_regular(path: str | Path) -> BufferedReader:
    """Opens a file to read its bytes; no pipe, socket or device, which may block or never end.

    Args:
        path: A file whose name may come from anybody.

    Raises:
        OSError: It cannot be opened, or is no regular file; its ``strerror`` is one sentence for either.
    """
    try:
        return open(path, "rb", opener=_open_regular)
    except ValueError as error:  # a name that no file can have: with a null character, or one that cannot be encoded
        raise OSError(errno.EINVAL, "No possible file name", str(path)) from error


def _open_regular(path: str, flags: int) -> int:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # does not wait for somebody to write to a pipe
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "Not a regular file", path)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file, to write and to read back, that appears under its name only when the block ends well.

    Args:
        path: The final name; its folder is made where it is missing.

    Raises:
        OSError: The folder cannot be made or written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_TEMPORARY}")
    try:
        with temporary.open("x+b") as file:  # unlike what tempfile opens, it has the mode that the umask says
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk does not say of which file
        raise


def remove_temporaries(folder: Path) -> None:
    """Deletes what processes that were killed within `atomic_write` left in a folder that nobody else writes to."""
    for file in folder.glob(f".*{_TEMPORARY}"):
        file.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which appears under its name only when the block ends well.

    Args:
        path: The final name; its parents are made where they are missing.

    Raises:
        ValueError: The path is taken, unless by an empty folder.
        OSError: The folder cannot be made or written; nothing is left behind.
    """
    path = path.absolute()
    check_vacant(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as temporary:
        folder = Path(temporary) / "folder"
        folder.mkdir()
        yield folder
        for written in (file for file in folder.rglob("*") if file.is_file()):
            with written.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(folder, path)


def check_vacant(path: Path) -> None:
    """Refuses the path of a folder-to-be that is taken.

    Raises:
        ValueError: It is, and not by an empty folder.
    """
    if path.is_dir() and any(path.iterdir()):
        raise ValueError(f"{path}: expected a new or an empty folder, found one with files")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path}: expected a new or an empty folder, found a file")


def check_writable(name: str, path: Path) -> None:
    """Refuses the path of a file-to-be that cannot be written, before the work is done.

    Args:
        name: Of the argument, as the caller typed it.
        path: Of the file; its folder may be missing.

    Raises:
        ValueError: It is a folder, or the folder that it or its parents are to be made in is none or cannot be written.
    """
    if path.is_dir():
        raise ValueError(f"{name}: expected the name of a file, found the folder {path}")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{name}: expected a file in a folder that can be written, found {path}")
