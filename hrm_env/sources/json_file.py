"""JSON from files of strangers: what is read takes no more memory than the file's size allows."""

from __future__ import annotations

import json
from os.path import isdir
from pathlib import Path
from typing import Any

from hrm_env.checks import reason
from hrm_env.sources.unpacked import Unpacked

_MOST = 250  # bytes that are taken for each byte of a file; 200 for the densest of ARC's own, which are gzip
_MOST_OF_TEXT = 30  # for each byte of its text; 16 for the densest of ARC's own
_ALWAYS = 2**26  # bytes that may be taken for any file


def holds_json(path: Path) -> bool:
    """Returns whether the path is named as a JSON file, plain or gzip, or is a folder that holds one."""
    return path.name.endswith((".json", ".json.gz")) or (isdir(path) and any(path.glob("*.json")))


def read_json(path: Path) -> Any:
    """The content of a JSON file, plain or gzip.

    Raises:
        ValueError: Names the file, what was expected and what was found.
    """
    try:
        with Unpacked(path) as file:
            return parse_json(file.readall(), file.size)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a readable JSON file, plain or gzip ({reason(error)})") from error


def parse_json(data: bytes, size: int) -> Any:
    """The content of JSON text that lies in ``size`` bytes of a file.

    Raises:
        ValueError: It is no JSON, or its content would take more than 250 times that size, or 30 times its text, and
            more than 64 MiB.
        RecursionError: It is nested too deeply.
    """
    if _memory(data) > max(_ALWAYS, min(_MOST * size, _MOST_OF_TEXT * len(data))):
        raise ValueError(f"its content would take more than {_MOST} times its size, or {_MOST_OF_TEXT} times its text")
    return json.loads(data)


def _memory(data: bytes) -> int:
    """Bytes that the content takes at most, estimated from the characters that every value comes with.

    An object is counted with the two canvases that a pair of ARC's grids fills.
    """
    objects, lists, commas = (data.count(char) for char in (b"{", b"[", b","))
    digits = len(data) - len(data.translate(None, b"0123456789"))
    long_numbers = max(0, digits - objects - lists - commas)  # small integers are there already, and take none
    return 2300 * objects + 100 * lists + 12 * commas + 32 * data.count(b'"') + 24 * long_numbers
