"""What remembers something from segment to segment, and its memory as plain tensors and JSON for a checkpoint.

A *state* is a dict, nested as deep as it likes, of tensors and of what JSON can hold. Torch alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from hrm_env.checks import shortened

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
            setattr(self, name, _restored(name, getattr(self, name), value))
        return self


_AN_OPTION = object()
_DEEPEST = 100  # a policy of policies is a few deep


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


def _restored(name: str, current: Any, state: Any) -> Any:
    if isinstance(current, torch.Generator):
        check_generator(name, state, current.device)
        return current.set_state(state.cpu())
    if isinstance(current, Stateful | tuple) and not isinstance(state, Mapping):
        raise ValueError(f"expected the memory of {type(current).__name__} in {name!r}, found {shortened(state)}")
    if isinstance(current, Stateful):
        return current.load_state_dict(state)
    if isinstance(current, tuple):
        if state.keys() != {str(number) for number in range(len(current))}:
            raise ValueError(f"expected {len(current)} memories in {name!r}, found {shortened(', '.join(state))}")
        parts = [_restored(name, part, state[str(number)]) for number, part in enumerate(current)]
        return current._make(parts) if hasattr(current, "_make") else tuple(parts)
    if current is not None and not isinstance(current, Tensor):
        return current
    if state is not None and not isinstance(state, Tensor):
        raise ValueError(f"expected a tensor or None in {name!r}, found {shortened(state)}")
    return state


def check_generator(name: str, state: Any, device: torch.device | str = "cpu") -> None:
    """Refuses what is no state of torch's generator on a device.

    Raises:
        ValueError: Begins with ``name``.
    """
    if not isinstance(state, Tensor) or state.dtype != torch.uint8:
        raise ValueError(f"{name}: expected the bytes of a generator, found {shortened(state)}")
    try:
        torch.Generator(device).set_state(state.cpu())
    except RuntimeError as error:  # this is how torch says that they are none
        raise ValueError(f"{name}: expected the state of torch's generator, found other bytes ({error})") from error


def leaves(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors and the JSON values of a state, each with its path, such as ``"session/policy/memory"``."""
    for name, value in state.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


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
    """Puts together what `split_state` took apart.

    Raises:
        ValueError: A tensor has the place of something else, or one that is too deep.
    """
    state = _copied(rest)
    for path, tensor in tensors.items():
        *folders, name = path.split("/")
        if len(folders) > _DEEPEST:
            raise ValueError(f"expected tensors at most {_DEEPEST} deep, found {shortened(path)}")
        place: Any = state
        for folder in folders:
            place = place.setdefault(folder, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict) or name in place:
            raise ValueError(f"expected one thing in the place of {shortened(path)}, found two")
        place[name] = tensor
    return state


def _copied(state: Mapping[str, Any]) -> State:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in state.items()}
