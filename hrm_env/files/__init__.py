"""Opens files of unknown kind, and writes files and folders so that no reader sees a half-written one."""

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
    """Opens a regular file to read its bytes. Refuses pipes, sockets and devices, which may block or never end.

    Args:
        path: Path of the file; it may come from an untrusted source.

    Raises:
        OSError: The file cannot be opened or is not regular; its ``strerror`` says which.
    """
    try:
        return open(path, "rb", opener=_open_regular)
    except ValueError as error:  # the name holds a null character or cannot be encoded
        raise OSError(errno.EINVAL, "No possible file name", str(path)) from error


def _open_regular(path: str, flags: int) -> int:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # does not wait for a writer of a pipe
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "Not a regular file", path)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Opens a binary file for writing and reading; it appears under its name only if the block succeeds.

    Args:
        path: Final path; its folder is created if missing.

    Raises:
        OSError: The folder cannot be created or written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_TEMPORARY}")
    try:
        with temporary.open("x+b") as file:  # its mode follows the umask, unlike that of tempfile
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk does not name the file
        raise


def remove_temporaries(folder: Path) -> None:
    """Deletes the temporary files that killed processes left behind, in a folder with no other writer."""
    for file in folder.glob(f".*{_TEMPORARY}"):
        file.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Creates a folder to fill; it appears under its name only if the block succeeds.

    Args:
        path: Final path; its parents are created if missing.

    Raises:
        ValueError: The path exists and is not an empty folder.
        OSError: The folder cannot be created or written; nothing is left behind.
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
    """Refuses a path at which a new folder cannot be created.

    Raises:
        ValueError: The path exists and is not an empty folder.
    """
    if path.is_dir() and any(path.iterdir()):
        raise ValueError(f"{path}: expected a new or an empty folder, found one with files")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path}: expected a new or an empty folder, found a file")


def check_writable(name: str, path: Path) -> None:
    """Refuses a path at which a file cannot be written, so that the error comes before the work.

    Args:
        name: Name of the argument, as the caller typed it.
        path: Path of the file; its folder may be missing.

    Raises:
        ValueError: The path is a folder, or its nearest existing parent is no folder that can be written.
    """
    if path.is_dir():
        raise ValueError(f"{name}: expected the name of a file, found the folder {path}")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{name}: expected a file in a folder that can be written, found {path}")
