"""Which rows of a file are wanted."""

from __future__ import annotations


def row_slice(rows: str | None) -> slice:
    """The slice that a text such as ``":-5000"`` means; all rows for None.

    Raises:
        ValueError: The text is no slice, or one that goes backwards.
    """
    try:
        parts = [int(part) if part else None for part in (rows or ":").split(":")]
        if not 2 <= len(parts) <= 3:
            raise ValueError("a slice has one or two colons")
        found = slice(*parts)
        if found.step is not None and found.step < 1:
            raise ValueError("the step is at least 1")
        return found
    except ValueError as error:
        raise ValueError(f"rows: expected a slice such as ':-5000', found {rows!r} ({error})") from error
