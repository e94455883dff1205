"""Objects that remember something from segment to segment, and their memory as tensors and JSON for a checkpoint.

A *state* is a dict, nested to any depth, of tensors and of values that JSON can hold. Torch alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from hrm_env.checks import shortened

State = dict[str, Any]


class Rehearsal(NamedTuple):
    """Example states of an object, with which a state from a file is compared.

    Attributes:
        before: Its state before the first segment of a run.
        after: Its state after that segment.
        rows: The number of slots B.
    """

    before: State
    after: State
    rows: int


class Stateful:
    """Base class of objects that have a memory.

    By default the memory is every attribute that is a tensor or None, a generator, another `Stateful`, or a tuple of
    those alone. Other attributes are options, which an object has before its memory is put back. A class that remembers
    anything else overrides `state_dict` and `load_state_dict`.
    """

    def state_dict(self) -> State:
        """Returns the memory, not copied."""
        found = ((name, _captured(value)) for name, value in vars(self).items())
        return {name: value for name, value in found if value is not _AN_OPTION}

    def check_state(self, name: str, state: State, rehearsal: Rehearsal) -> None:
        """Refuses a state that this object cannot have; changes nothing.

        By default every entry must have the kind (type, dtype and shape) that it has before or after the first segment.
        The memory of a class from outside this package may appear later and grow, so that only its rows are counted.

        Args:
            name: Name of the object, for errors.
            state: The state of a file.
            rehearsal: Examples of the same object's state.

        Raises:
            ValueError: Names the first entry that is missing, unknown or of another kind.
        """
        foreign = tuple(_foreign_paths(self, f"{name}/"))
        found, before, after = (dict(leaves(part, f"{name}/")) for part in (state, *rehearsal[:2]))
        for path in [path for path in found if path.startswith(foreign)]:
            value = found.pop(path)
            of_rows = isinstance(value, Tensor) and value.dtype != torch.uint8  # the bytes of a generator have no rows
            if of_rows and value.shape[:1] not in ((0,), (rehearsal.rows,)):
                raise ValueError(f"{path!r}: expected {rehearsal.rows} rows, found shape {tuple(value.shape)}")
        always = {path for path in before.keys() & after.keys() if not path.startswith(foreign)}
        expected = {
            path: (before if kind_of(before.get(path)) == kind_of(found.get(path)) else after).get(path)
            for path in found.keys() | always
        }
        check_same(found, expected, "state of this run")

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Puts back what `state_dict` of such an object returned; tensors lie on the device where they are needed.

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


def _foreign_paths(memory: Stateful, path: str) -> Iterator[str]:
    """Yields the paths, within a memory, of objects whose class is from outside this package."""
    if not type(memory).__module__.startswith("hrm_agent."):
        yield path
        return
    for name, value in vars(memory).items():
        parts = {f"{name}/{number}/": part for number, part in enumerate(value)} if isinstance(value, tuple) else {}
        for place, part in (parts or {f"{name}/": value}).items():
            if isinstance(part, Stateful):
                yield from _foreign_paths(part, path + place)


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
    """Refuses anything but the state of a torch generator on a device.

    Raises:
        ValueError: Begins with ``name``.
    """
    if not isinstance(state, Tensor) or state.dtype != torch.uint8:
        raise ValueError(f"{name}: expected the bytes of a generator, found {shortened(state)}")
    try:
        torch.Generator(device).set_state(state.cpu())
    except RuntimeError as error:  # torch raises it for bytes that are no state
        raise ValueError(f"{name}: expected the state of torch's generator, found other bytes ({error})") from error


def kind_of(value: Any) -> str:
    """Returns a kind: "float32 (2, 3)" of a tensor, "int" of another value, "none" of None."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return "none" if value is None else type(value).__name__


def check_same(found: Mapping[str, Any], expected: Mapping[str, Any], whose: str) -> None:
    """Refuses values of other names or kinds than expected.

    Args:
        found: Values by name, such as the tensors of a file.
        expected: Any values of the right names and kinds.
        whose: What is expected, for errors.

    Raises:
        ValueError: Names the first that differs.
    """
    for name in sorted(found.keys() | expected.keys()):
        there, wanted = (kind_of(values.get(name)) for values in (found, expected))
        if there != wanted:
            difference = f"{shortened(name)}: {there} instead of {wanted}"
            raise ValueError(f"expected the {whose}, found others ({difference})")


def check_finite(tensors: Mapping[str, Tensor], what: str = "weights") -> None:
    """Refuses tensors that hold an infinite number or NaN.

    Raises:
        ValueError: Names the first such tensor.
    """
    bad = next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None)
    if bad is not None:
        raise ValueError(f"expected finite {what}, found others in {bad!r}")


def leaves(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the tensors and JSON values of a state, each with its path, such as ``"session/policy/memory"``."""
    for name, value in state.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


def split_state(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], State]:
    """Returns the tensors of a state by path (``"session/policy/memory"``), copied, and the rest of the state."""
    tensors = {path: value for path, value in leaves(state) if isinstance(value, Tensor)}
    copies = {path: tensor.detach().clone(memory_format=torch.contiguous_format) for path, tensor in tensors.items()}
    return copies, _without_tensors(state)


def join_state(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> State:
    """Joins what `split_state` returned.

    Raises:
        ValueError: Two values have one path, or a path is too deep.
    """
    state = _without_tensors(rest)
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


def _without_tensors(state: Mapping[str, Any]) -> State:
    """Returns a copy of a state without its tensors."""
    rest = {name: value for name, value in state.items() if not isinstance(value, Tensor)}
    return {name: _without_tensors(value) if isinstance(value, Mapping) else value for name, value in rest.items()}
