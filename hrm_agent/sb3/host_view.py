"""A device tensor as a numpy array that is copied when first used, so that unused values for callbacks cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor


class HostView:
    """Behaves like the numpy array of a tensor; its first use waits for the device and copies the tensor.

    ``np.sum(view)``, ``view.sum()``, ``view[0]``, ``len(view)`` and ``for value in view`` work as with the array.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    @cached_property
    def _array(self) -> npt.NDArray[Any]:
        return self._tensor.cpu().numpy()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Returns the array, for numpy."""
        return np.array(self._array, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        """Returns an attribute of the array."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._array, name)

    def __getitem__(self, place: Any) -> Any:
        """Returns an element or a part of the array."""
        return self._array[place]

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        """Iterates over the rows."""
        return iter(self._array)
