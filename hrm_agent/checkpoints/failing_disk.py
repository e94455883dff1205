"""Writing of files that a run can do without: if it fails, the run goes on and warns once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path


class Attempts:
    """Tries to write; a full or read-only disk costs the new file, never an older one nor the run."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def write(self, path: Path, how: Callable[[], None]) -> bool:
        """Writes a file and returns whether it succeeded; warns once of each new reason for failure.

        Args:
            path: The file, for the warning.
            how: Writes it, or raises `OSError` and leaves an older file as it was.
        """
        try:
            how()
        except OSError as error:
            reason = error.strerror or str(error)
            if reason not in self._told:
                self._told.add(reason)
                warnings.warn(f"{path}: not written ({reason}); the run goes on, older files stay", stacklevel=2)
            return False
        self._told.clear()
        return True
