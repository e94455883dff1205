"""A device tensor that numpy reads when somebody asks: what callbacks are shown of a step costs no step anything."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor


class HostView:
    """Stands for the numpy array of a tensor, which waits for the device and is copied at its first use alone.

    ``np.sum(view)``, ``view.sum()``, ``view[0]``, ``len(view)`` and ``for value in view`` are those of the array.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    @cached_property
    def _array(self) -> npt.NDArray[Any]:
        return self._tensor.cpu().numpy()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The array, for numpy."""
        return np.array(self._array, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        """An attribute of the array."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._array, name)

    def __getitem__(self, place: Any) -> Any:
        """An element, or a part, of the array."""
        return self._array[place]

    def __len__(self) -> int:
        """Its rows."""
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        """Its rows, one by one."""
        return iter(self._array)
