"""What remembers something from segment to segment, and its memory as plain tensors and JSON for a checkpoint.

A *state* is a dict, nested as deep as it likes, of tensors and of what JSON can hold. Torch alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

State = dict[str, Any]


class Stateful:
    """Base class of what has a memory.

    By default that is every attribute which is a tensor or None, a generator, another `Stateful`, or a tuple of those
    alone. Attributes of other kinds are taken for options, which an object has before its memory is put back; what
    remembers anything else says so in both methods.
    """

    def state_dict(self) -> State:
        """The memory, not copied."""
        found = ((name, _captured(value)) for name, value in vars(self).items())
        return {name: value for name, value in found if value is not _AN_OPTION}

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Puts back what `state_dict` of such an object gave; tensors lie where they are needed.

        Raises:
            ValueError: It is the memory of another kind of object.
        """
        for name, value in state.items():
            if not hasattr(self, name):
                raise ValueError(f"expected the memory of {type(self).__name__}, found one with {name!r}")
            setattr(self, name, _restored(getattr(self, name), value))
        return self


_AN_OPTION = object()


def _captured(value: Any) -> Any:
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, Stateful):
        return value.state_dict()
    if isinstance(value, tuple):
        parts = {str(number): _captured(part) for number, part in enumerate(value)}
        return _AN_OPTION if any(part is _AN_OPTION for part in parts.values()) else parts
    return _AN_OPTION


def _restored(current: Any, state: Any) -> Any:
    if isinstance(current, torch.Generator):
        return current.set_state(state.cpu())
    if isinstance(current, Stateful):
        return current.load_state_dict(state)
    if isinstance(current, tuple):
        parts = [_restored(part, state[str(number)]) for number, part in enumerate(current)]
        return current._make(parts) if hasattr(current, "_make") else tuple(parts)
    return state if current is None or isinstance(current, Tensor) else current


def split_state(state: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Tensor], State]:
    """The tensors of a state by their path (``"session/policy/memory"``), copied, and the rest of it."""
    tensors: dict[str, Tensor] = {}
    rest: State = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            tensors[prefix + name] = value.detach().clone(memory_format=torch.contiguous_format)
        elif isinstance(value, Mapping):
            inner, rest[name] = split_state(value, f"{prefix}{name}/")
            tensors |= inner
        else:
            rest[name] = value
    return tensors, rest


def join_state(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> State:
    """Puts together what `split_state` took apart."""
    state = _copied(rest)
    for path, tensor in tensors.items():
        *folders, name = path.split("/")
        place = state
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = tensor
    return state


def _copied(state: Mapping[str, Any]) -> State:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in state.items()}
