"""Options on the command line: which values they may have, checked in one place under the names that are typed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, is_dataclass
from io import StringIO
from itertools import repeat
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro
from tyro.conf import OmitArgPrefixes
from tyro.constructors import PrimitiveConstructorSpec

from hrm_env.checks import check_choice, check_integer, check_number

from .program import program

Options = TypeVar("Options")
Check = Callable[[str, Any], object]


@dataclass(frozen=True)
class Checked(PrimitiveConstructorSpec[Any]):
    """Says of an annotated type which values of an option are good: ``Annotated[int, integer(1)]``.

    Text that is no number stays text while tyro reads the command line; `check` then says what was expected.

    Attributes:
        check: Takes an option's name, as it is typed, and its value; raises ValueError where the value is bad.
    """

    check: Check = lambda name, value: None


def checked(check: Check, read: Callable[[str], Any] = str, metavar: str = "STR") -> Checked:
    """What `Checked` is for a check, where ``read`` turns the text of a good value into the value."""

    def value_of(texts: list[str]) -> Any:
        try:
            return None if texts == ["None"] else read(texts[0])
        except ValueError:
            return texts[0]

    return Checked(1, metavar, value_of, lambda _: "~", lambda value: [str(value)], check=check)


def integer(low: int, high: int | None = None, words: Sequence[str] = ()) -> Checked:
    """An integer within these bounds, or one of some words."""

    def check(name: str, value: Any) -> None:
        if value not in words:
            check_integer(name, value, low, high)

    return checked(check, int, "|".join(["INT", *words]))


def number(low: float, high: float = float("inf"), excluded: Sequence[float] = ()) -> Checked:
    """A finite number within these bounds, some of which may be excluded."""

    def check(name: str, value: Any) -> None:
        if check_number(name, value, low, high) in excluded:
            raise ValueError(f"{name}: expected a number between {low} and {high}, found {value}")

    return checked(check, float, "FLOAT")


def _check_device(name: str, value: str) -> None:
    from hrm_env.devices import check_device

    check_device(value, name)


HeldOut = Annotated[int | Literal["auto"] | None, integer(1, words=("auto",))]
"""How many puzzles are held out; "auto" is a tenth, at most 5,000."""
Seed = Annotated[int, integer(0, 2**32 - 1)]
"""A seed that numpy and torch take."""
Share = Annotated[float, number(0, 1)]
"""A part of a whole, none and all of it included."""
ProperShare = Annotated[float, number(0, 1, excluded=(0, 1))]
"""A part of a whole that leaves a part."""
Threads = Annotated[int, integer(0, os.cpu_count())]
"""CPU threads; 0 for all cores."""
Device = Annotated[str, checked(_check_device)]
"""``"auto"``, or a device of this machine."""


def parsed(kind: Any, arguments: Sequence[str], command: str, default: Any = tyro.MISSING_NONPROP) -> Any:
    """Reads the options of a command of this package as `read_options` does, by the command's name."""
    return read_options(kind, arguments, program(command), default)


def read_options(
    kind: Any, arguments: Sequence[str], usage: str | None = None, default: Any = tyro.MISSING_NONPROP
) -> Any:
    """Reads and checks the options of a program.

    Args:
        kind: A dataclass, or a union of dataclasses that are commands of their own.
        arguments: As they are typed.
        usage: What starts the program, for its help; the name of its file unless given.
        default: Values of the options that are not given; those of ``kind`` unless given.

    Raises:
        ValueError: Names the first option that there is not, or whose value is bad.
        SystemExit: Help was asked for, and is printed.
    """
    with _refusing_in_one_sentence():
        options = tyro.cli(kind, args=arguments, prog=usage, default=default, config=(OmitArgPrefixes,))
    check_options(options)
    return options


def read_options_in_part(kind: Any, arguments: Sequence[str], usage: str) -> tuple[Any, list[str]]:
    """Reads the options of a program as `read_options` does; returns them and the arguments that are none of them."""
    with _refusing_in_one_sentence():
        options, rest = tyro.cli(kind, args=arguments, prog=usage, return_unknown_args=True)
    check_options(options)
    return options, rest


@contextmanager
def _refusing_in_one_sentence() -> Iterator[None]:
    """Within, what tyro prints in a frame before it exits becomes the text of a ValueError."""
    try:
        with redirect_stderr(StringIO()) as printed:
            yield
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ValueError(_sentence(printed.getvalue())) from None


def _sentence(frame: str) -> str:
    """What a frame of tyro's says, up to its advice to read the help."""
    parts: list[list[str]] = [[]]
    for line in frame.splitlines()[1:]:  # without the title
        text = line.strip("│ ")
        if "helptext" in text or "Got errors" in text:
            break
        if set(text) <= set("─-"):
            parts.append([])
        else:
            parts[-1].append(text)
    text = "; ".join(" ".join(part) for part in parts if part) or frame
    return re.sub(r"^Error parsing \w+: (\w+):", lambda found: f"{flag(found[1])}:", text)


def as_typed(message: str, arguments: Sequence[str]) -> str:
    """An error's message with the name that it begins with as it was typed, where it is that of an option.

    Args:
        message: Such as "max_segments: expected ..." or "halting 'fixed': expected ..."; "clues: expected ..." may be
            about ``--option clues=3``.
        arguments: Those typed.
    """
    named = re.match(r"\w+(?=:| ')", message)
    if named:
        option = flag(named[0])
        texts = [argument.replace("_", "-") for argument in arguments]
        if any(re.match(rf"{option}(=|$)", text) for text in texts):
            return option + message[named.end() :]
        within = re.search(rf"(?m)^(--(?:core-)?option)[=\n]{option[2:]}=", "\n".join(texts))
        if within:
            return f"{within[1]} {message}"
    return message


def named_values(option: str, texts: Sequence[str], known: Iterable[str] | None = None) -> dict[str, Any]:
    """Values that are typed as ``name=value``; numbers, true, false and null are themselves, anything else a text.

    Args:
        option: The option, for errors.
        texts: What was typed.
        known: The names that exist; None if that is checked elsewhere.

    Raises:
        ValueError: A text is not of that form, or its name unknown.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{option}: expected name=value, found {text!r}")
        name = name.replace("-", "_")
        if known is not None:
            check_choice(option, name, known)
        try:
            values[name] = json.loads({"True": "true", "False": "false", "None": "null"}.get(value, value))
        except json.JSONDecodeError:
            values[name] = value
    return values


def flag(name: str) -> str:
    """How the option of this name is typed."""
    return f"--{name.replace('_', '-')}"


def check_options(options: Any) -> None:
    """Checks every value of a dataclass that is `Checked`, and those of the dataclasses within.

    Raises:
        ValueError: Names the first option whose value is bad.
    """
    for name, hint in get_type_hints(type(options), include_extras=True).items():
        value = getattr(options, name)
        if is_dataclass(value):
            check_options(value)
        for check_value, each in _checks(hint, value):
            check_value(flag(name), each)


def _checks(hint: Any, value: Any) -> Iterator[tuple[Check, Any]]:
    """The checks of a type, each with the value, or the element of it, that it is for."""
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        if value is not None or NoneType not in get_args(kind):
            yield from ((note.check, value) for note in notes if isinstance(note, Checked))
        yield from _checks(kind, value)
    elif get_origin(hint) is tuple:
        kinds = get_args(hint)
        for kind, each in zip(repeat(kinds[0]) if kinds[-1] is Ellipsis else kinds, value, strict=False):
            yield from _checks(kind, each)
