"""Figures as JSON, such as the ``result.json`` of a run: written, and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hrm_env.checks import shortened
from hrm_env.files import atomic_write


def write_result(path: Path, value: Any) -> None:
    """Writes names with values, or a list of such, as JSON."""
    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=2).encode())


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
