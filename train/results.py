"""The ``result.json`` of a run, read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hrm_env.checks import shortened


def read_result(path: Path) -> dict[str, Any]:
    """What ``result.json`` holds, or another file of figures.

    Raises:
        ValueError: It cannot be read, or holds something else than names with values; the message names the file.
    """
    from hrm_env.sources.json_file import read_json

    found = read_json(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected names with values, found {shortened(found)}")
    return found
