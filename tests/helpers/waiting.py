"""Modes that find where a step would wait for a CUDA device, on a machine without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# operators whose result has a size, or is a Python number, that only the device knows
SYNCHRONIZING = {
    "_coalesce",
    "_local_scalar_dense",
    "_unique",
    "_unique2",
    "bincount",
    "coalesce",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
# what copies from the device, or from Python objects to it
COPYING: set[Callable[..., Any]] = {Tensor.cpu, Tensor.numpy, Tensor.tolist, torch.tensor, torch.as_tensor}


class WaitsForDeviceError(AssertionError):
    """A step would wait for the device."""


class Operators(TorchDispatchMode):
    """Raises at operators that wait, except those on tensors that live on the host by design."""

    def __init__(self, on_host: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.on_host = {tensor.data_ptr() for tensor in on_host}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        first = args[0] if args and isinstance(args[0], Tensor) else None
        by_mask = name in ("index", "index_put", "index_put_") and any(
            isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        counted = name == "repeat_interleave" and func._overloadname in ("Tensor", "self_Tensor")
        known = first is not None and not first.is_sparse and first.data_ptr() in self.on_host
        if (name in SYNCHRONIZING or by_mask or counted) and not known:
            raise WaitsForDeviceError(f"{name} waits for the device")
        return func(*args, **(kwargs or {}))


class Functions(TorchFunctionMode):
    """Raises at Python functions that copy between host and device, unless they ask for the host."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in COPYING and (kwargs or {}).get("device") != "cpu":
            raise WaitsForDeviceError(f"{func.__name__} copies between host and device")
        return func(*args, **(kwargs or {}))
