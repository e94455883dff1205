"""Finds the tensors that the pickle in a file of `torch.save` describes, without unpickling it.

A pickle is a program for a small stack machine. This module follows the few instructions that name tensors and refuses
all others; no class or function of any library is called.
Source: ``pickletools`` of Python's library, and ``torch/_utils.py``.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class Stored(NamedTuple):
    """A storage, in which numbers lie.

    Attributes:
        dtype: Type of the numbers.
        key: Name of their member in the archive.
        length: Number of the numbers.
    """

    dtype: torch.dtype
    key: str
    length: int


class Strided(NamedTuple):
    """A tensor as `torch.as_strided` makes it.

    Attributes:
        stored: Its storage.
        offset: Index of its first element in the storage.
        size: Shape.
        stride: Elements from one index to the next, for each dimension.
    """

    stored: Stored
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Global(str):
    """The name of a class or function, which is never called."""


_PUSHED: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), lambda value: value),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_DICT": lambda _: {},
    "GLOBAL": _Global,
    "MARK": lambda _: _MARK,
}
"""The value that an instruction pushes, given its argument, for those that take nothing from the stack."""


def read_pickle(program: bytes) -> dict[str, Strided]:
    """Returns the tensors by name that a pickle describes.

    Raises:
        ValueError: The pickle is damaged or describes anything else.
    """
    machine = _Machine()
    for instruction, argument, _ in pickletools.genops(program):
        machine.follow(instruction.name, argument)
    found = machine.pop()
    if not isinstance(found, dict) or not all(isinstance(tensor, Strided) for tensor in found.values()):
        raise ValueError("something that is no tensor of numbers")
    return found


class _Machine:
    """A stack, and a memo that is indexed by numbers."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        """Takes the top value from the stack."""
        if not self._stack:
            raise ValueError("a pickle that ends too early")
        return self._stack.pop()

    def follow(self, name: str, argument: Any) -> None:
        """Follows an instruction."""
        push = self._stack.append
        if name in _PUSHED:
            push(_PUSHED[name](argument))
        elif name == "TUPLE":
            push(tuple(self._since_mark()))
        elif name in _TUPLES:
            push(tuple([self.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in ("SETITEM", "SETITEMS"):
            self._set_items([self.pop(), self.pop()][::-1] if name == "SETITEM" else self._since_mark())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.pop()
            push(self._memo[argument])
        elif name in ("BINGET", "LONG_BINGET") and argument in self._memo:
            push(self._memo[argument])
        elif name == "BINPERSID":
            push(_stored(self.pop()))
        elif name == "REDUCE":
            arguments = self.pop()
            push(_made(self.pop(), arguments))
        elif name == "BUILD":
            self.pop()  # versions of modules, on which no tensor depends
        elif name not in ("PROTO", "STOP"):
            raise ValueError(f"an instruction {name}, which makes no tensor")

    def _since_mark(self) -> list[Any]:
        items = []
        while (item := self.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _set_items(self, items: list[Any]) -> None:
        target, names = self.pop(), items[::2]
        if not isinstance(target, dict) or len(items) % 2 or not all(isinstance(name, str) for name in names):
            raise ValueError("something that is no tensor of numbers")
        target.update(zip(names, items[1::2], strict=True))
        self._stack.append(target)


def _stored(found: Any) -> Stored:
    """Returns the storage that a persistent id of `torch.save` names."""
    if isinstance(found, tuple) and len(found) == 5 and found[0] == "storage" and isinstance(found[1], _Global):
        dtype, (key, _, count) = _STORAGES.get(found[1].removeprefix("torch ")), found[2:]
        if dtype is not None and isinstance(key, str) and _are_counts((count,)):
            return Stored(dtype, key, count)
    raise ValueError("a storage of no numbers")


def _made(function: Any, arguments: Any) -> Any:
    """Returns what a function of torch would make of its arguments."""
    if isinstance(function, _Global) and isinstance(arguments, tuple):
        if function == "collections OrderedDict" and not arguments:
            return {}
        if function == "torch._utils _rebuild_parameter" and arguments and isinstance(arguments[0], Strided):
            return arguments[0]
        if function == "torch._utils _rebuild_tensor_v2" and 4 <= len(arguments) <= 6:  # a seventh changes the numbers
            stored, offset, size, stride = arguments[:4]
            lengths = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)
            if isinstance(stored, Stored) and lengths and _are_counts((offset, *size, *stride)):
                return Strided(stored, offset, size, stride)
    raise ValueError("something that is no tensor of numbers")


def _are_counts(found: tuple[Any, ...]) -> bool:
    return all(type(number) is int and 0 <= number < 2**62 for number in found)
