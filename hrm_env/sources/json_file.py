"""Untrusted JSON files: the memory that the content takes is bounded by the file's size."""

from __future__ import annotations

import json
from os.path import isdir
from pathlib import Path
from typing import Any

from hrm_env.checks import reason
from hrm_env.sources.unpacked import Unpacked

_MOST = 250  # bytes of memory per byte of a file; ARC's densest files, which are gzip, need 200
_MOST_OF_TEXT = 30  # bytes of memory per byte of its text; ARC's densest files need 16
_ALWAYS = 2**26  # bytes of memory allowed for any file


def holds_json(path: Path) -> bool:
    """Returns whether the path is named as a JSON file, plain or gzip, or is a folder that holds one."""
    return path.name.endswith((".json", ".json.gz")) or (isdir(path) and any(path.glob("*.json")))


def read_json(path: Path) -> Any:
    """Reads a JSON file, plain or gzip.

    Raises:
        ValueError: The file is invalid; the message names it, what was expected and what was found.
    """
    try:
        with Unpacked(path) as file:
            return parse_json(file.readall(), file.size)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a readable JSON file, plain or gzip ({reason(error)})") from error


def parse_json(data: bytes, size: int) -> Any:
    """Parses JSON text from a file of ``size`` bytes.

    Raises:
        ValueError: The text is no JSON, or its content would take more than 64 MiB and more than 250 times the file's
            size or 30 times the text's.
        RecursionError: The text is nested too deeply.
    """
    if _memory(data) > max(_ALWAYS, min(_MOST * size, _MOST_OF_TEXT * len(data))):
        raise ValueError(f"its content would take more than {_MOST} times its size, or {_MOST_OF_TEXT} times its text")
    return json.loads(data)


def _memory(data: bytes) -> int:
    """Estimates an upper bound of the content's bytes from the characters that introduce each value.

    The count of an object includes the two canvases that a pair of ARC's grids fills.
    """
    objects, lists, commas = (data.count(char) for char in (b"{", b"[", b","))
    digits = len(data) - len(data.translate(None, b"0123456789"))
    long_numbers = max(0, digits - objects - lists - commas)  # Python shares small integers
    return 2300 * objects + 100 * lists + 12 * commas + 32 * data.count(b'"') + 24 * long_numbers
