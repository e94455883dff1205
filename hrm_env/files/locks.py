"""A lock that admits one process at a time to a folder, and is released when that process ends."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextmanager
def sole_use(name: str, folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder while the block runs.

    The lock is the operating system's, on an empty file ``.lock`` that stays in the folder. The system releases it
    when the process ends, for whatever reason. If the system or the file system offers no lock, a warning says so. A
    folder that was created here and stayed empty is removed.

    Args:
        name: Name of the argument that gave the folder, as the caller typed it.
        folder: The folder; created if missing.

    Raises:
        ValueError: Another process holds the lock.
        OSError: The folder or the file cannot be created.
    """
    found = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(name, folder, handle)
        try:
            yield
        finally:
            if not found and os.listdir(folder) == [LOCK]:  # nothing was written
                (folder / LOCK).unlink()
                folder.rmdir()
    finally:
        os.close(handle)


def _lock(name: str, folder: Path, handle: int) -> None:
    try:
        if fcntl is None:
            raise OSError("this system has no such locks")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), os.stat(folder / LOCK)):  # its last holder has just deleted the file
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError) as error:
        raise ValueError(f"{name}: expected a folder that no other process writes to, found {folder} in use") from error
    except OSError as error:
        warnings.warn(
            f"{folder}: not locked ({error.strerror or error}); make sure that no other process writes to it",
            stacklevel=4,
        )
