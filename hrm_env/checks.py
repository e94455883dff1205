"""Checks of arguments. Each error is one sentence: the argument's name, what was expected and what was found."""

from __future__ import annotations

import difflib
import inspect
import math
import reprlib
from collections.abc import Callable, Iterable
from operator import index
from typing import Any

_LONGEST = 80  # characters of a value that a message repeats
_LONGEST_REASON = 160


class UnknownOptionError(TypeError):
    """An unknown option; the message has the form of Python's own message about an unexpected keyword.

    The error can also be made from its text alone, like Python's own errors: Gymnasium adds the id to the text of a
    TypeError and raises it again, and its asynchronous environments and `pickle` send the text between processes.

    Args:
        owner: What received the option; the whole text if nothing else is given.
        name: The option.
        known: The options that exist.
    """

    def __init__(self, owner: str, name: str | None = None, known: Iterable[str] = ()) -> None:
        if name is None:
            super().__init__(owner)
            return
        known = list(known)
        similar = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {similar[0]!r}?" if similar else f"expected one of {', '.join(known) or 'none'}"
        super().__init__(f"{owner} got an unexpected keyword argument {shortened(name)}; {hint}")


def check_known(owner: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Refuses unknown options.

    Args:
        owner: What received the options.
        options: Names of the options.
        known: The names that exist.

    Raises:
        UnknownOptionError: An option is unknown; the message names the first.
    """
    known = list(known)
    for name in options:
        if name not in known:
            raise UnknownOptionError(owner, name, known)


def keywords(function: Callable[..., Any]) -> list[str]:
    """Returns the names of a function's keyword-only arguments: its options."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def check_integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """Returns the value as an int if it is an integer (no bool, no float, no text) within the bounds.

    Args:
        name: Name of the argument, as the caller typed it.
        value: The value to check.
        low: Smallest value allowed; None for no bound.
        high: Largest value allowed; None for no bound.

    Raises:
        ValueError: The value is anything else.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:  # raised by `index` for anything but integers
        number = None
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name}: expected an integer{_bounds(low, high)}, found {shortened(value)}")
    return number


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Returns the value as a float if it is a finite number (no bool, no text) within the bounds.

    Raises:
        ValueError: The value is anything else.
    """
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, OverflowError):  # raised by `float`: no number, or too large
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high:
        bounds = _bounds(None if low == -math.inf else low, None if high == math.inf else high)
        raise ValueError(f"{name}: expected a finite number{bounds}, found {shortened(value)}")
    return number


def check_flag(name: str, value: Any) -> bool:
    """Returns the value if it is True or False.

    Raises:
        ValueError: The value is anything else.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, found {shortened(value)}")
    return value


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns the value if it is one of the choices.

    Raises:
        ValueError: The value is anything else; the message suggests a similar choice.
    """
    choices = list(choices)
    if isinstance(value, str) and value in choices:
        return value
    similar = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    raise ValueError(f"{name}: expected one of {', '.join(choices)}, found {shortened(value)}{hint}")


def shortened(value: Any) -> str:
    """Returns the ``repr`` of a value on one line of at most 80 characters, so that no message repeats a whole file."""
    text = " ".join(_SHORT.repr(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def reason(error: Exception) -> str:
    """Returns what an error says about a damaged file, as one line of at most 160 printable characters."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text[:1000].split()))
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 3] + "..."


class _Short(reprlib.Repr):
    """Reads only as much of a value as a message shows, however long or deep the value is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxother = 4, 2 * _LONGEST
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = self.maxarray = _LONGEST // 2

    def repr_str(self, text: str, level: int) -> str:
        return repr(text[: 2 * _LONGEST])

    def repr_bytes(self, text: bytes, level: int) -> str:
        return repr(text[: 2 * _LONGEST])

    def repr_int(self, number: int, level: int) -> str:
        if number.bit_length() > 1024:  # Python refuses to print integers of over 4,300 digits
            return f"an integer of {number.bit_length():,} bits"
        return repr(number)


_SHORT = _Short()


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"
