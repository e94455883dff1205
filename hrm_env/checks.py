"""Checks of arguments. An error is one sentence: the argument's name, what was expected and what was found."""

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
    """An option that nobody has, said in Python's own words for an unexpected keyword.

    Like every error of Python's own it can also be made from its text alone: Gymnasium adds the id to the text of a
    TypeError and raises it anew, and its asynchronous environments and `pickle` carry text from process to process.

    Args:
        owner: What was given the option; or the whole text, where nothing else is given.
        name: The option.
        known: The options that there are.
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
    """Refuses options that nobody has.

    Args:
        owner: What was given the options.
        options: Their names.
        known: The names that there are.

    Raises:
        UnknownOptionError: Names the first that is not known.
    """
    known = list(known)
    for name in options:
        if name not in known:
            raise UnknownOptionError(owner, name, known)


def keywords(function: Callable[..., Any]) -> list[str]:
    """The names of a function's keyword-only arguments: its options."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def check_integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """The value as an int, where it is an integer (no bool, no float, no text) within the bounds.

    Args:
        name: Of the argument, as the caller typed it.
        value: What was given.
        low: The least value allowed; None for no bound.
        high: The greatest value allowed; None for no bound.

    Raises:
        ValueError: It is anything else.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:  # this is how Python says that a value is no integer
        number = None
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name}: expected an integer{_bounds(low, high)}, found {shortened(value)}")
    return number


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """The value as a float, where it is a finite number (no bool, no text) within the bounds.

    Raises:
        ValueError: It is anything else.
    """
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, OverflowError):  # this is how Python says that a value is no number, or too large for a float
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high:
        bounds = _bounds(None if low == -math.inf else low, None if high == math.inf else high)
        raise ValueError(f"{name}: expected a finite number{bounds}, found {shortened(value)}")
    return number


def check_flag(name: str, value: Any) -> bool:
    """The value, where it is True or False.

    Raises:
        ValueError: It is anything else.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, found {shortened(value)}")
    return value


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """The value, where it is one of some words.

    Raises:
        ValueError: It is anything else; the message suggests a word that is similar.
    """
    choices = list(choices)
    if isinstance(value, str) and value in choices:
        return value
    similar = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    raise ValueError(f"{name}: expected one of {', '.join(choices)}, found {shortened(value)}{hint}")


def shortened(value: Any) -> str:
    """The ``repr`` of a value on one line, cut after 80 characters: a message never repeats a whole file."""
    text = " ".join(_SHORT.repr(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def reason(error: Exception) -> str:
    """What an error says of a damaged file, in printable characters on one line, cut after 160 of them."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text[:1000].split()))
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 3] + "..."


class _Short(reprlib.Repr):
    """Looks no further into a value than a message shows, however long or deep it is."""

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
