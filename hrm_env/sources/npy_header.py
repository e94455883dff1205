"""Reads the header of numpy's ``.npy`` format without evaluating it as Python, as numpy does.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 to 3.
"""

from __future__ import annotations

import re
from io import BufferedIOBase
from math import prod
from typing import Literal, NamedTuple

import numpy as np

from hrm_env.checks import shortened

_MAGIC = b"\x93NUMPY"
_LONGEST = 10_000  # bytes, numpy's own limit
_ENTRY = r"'(descr|fortran_order|shape)':('[^']*'|True|False|\([\d,]*\))"
_HEADER = re.compile(rf"\{{{_ENTRY},{_ENTRY},{_ENTRY},?\}}")  # in any order
_TYPE = re.compile(r"'([<>|=]?(?:b1|[iu][1248]|f[248]|U\d{1,8}))'")
_SHAPE = re.compile(r"\((?:\d{1,18},)*(?:\d{1,18})?\)")


class NpyHeader(NamedTuple):
    """Layout of an array in a file.

    Attributes:
        dtype: Dtype of the array: numbers, bools or text.
        shape: Shape of the array.
        order: Memory order, ``"C"`` or ``"F"`` (Fortran).
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    @property
    def num_bytes(self) -> int:
        """Size of the array in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def read_header(file: BufferedIOBase) -> NpyHeader:
    """Reads a header, and leaves the file at the beginning of the array.

    Raises:
        ValueError: There is no header, or it describes an array of objects or records.
        OSError: The file cannot be read.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != _MAGIC or start[6] not in (1, 2, 3):
        raise ValueError("it does not begin like an npy file")
    length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    text = "".join(file.read(min(length, _LONGEST)).decode("latin-1").split())
    match = _HEADER.fullmatch(text)
    entries = dict.fromkeys(("descr", "fortran_order", "shape"), "")
    if match:
        entries |= zip(match.groups()[::2], match.groups()[1::2], strict=True)
    dtype, shape = _TYPE.fullmatch(entries["descr"]), _SHAPE.fullmatch(entries["shape"])
    if not (dtype and shape and entries["fortran_order"] in ("True", "False")):
        raise ValueError(f"its header describes no array of numbers: {shortened(text)}")
    sizes = tuple(int(size) for size in shape[0].strip("()").split(",") if size)
    return NpyHeader(np.dtype(dtype[1]), sizes, "F" if entries["fortran_order"] == "True" else "C")
