"""Slices of rows, given as text."""

from __future__ import annotations

import re

from hrm_env.checks import shortened

_NUMBER = r"\s*(-?[0-9]{1,18})?\s*"
_SLICE = re.compile(f"{_NUMBER}:{_NUMBER}(?::{_NUMBER})?")


def row_slice(rows: str | None) -> slice:
    """Returns the slice that a text such as ``":-5000"`` means; None means all rows.

    Raises:
        ValueError: The text is no slice, or its step is negative.
    """
    if rows is None:
        return slice(None)
    match = _SLICE.fullmatch(rows) if isinstance(rows, str) else None
    start, stop, step = (int(number) if number else None for number in match.groups()) if match else (0, 0, 0)
    if match is None or (step is not None and step < 1):
        raise ValueError(f"rows: expected a slice such as ':-5000', found {shortened(rows)}")
    return slice(start, stop, step)
