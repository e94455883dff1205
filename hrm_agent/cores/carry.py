"""The carry of a core: a flat NamedTuple or dict of tensors, each with the rows of the batch along its first axis.

Of the floating-point parts the first is the *slow* state, which the answer is read from, and the last the *fast* state;
each has the shape ``(B, ..., D)``. A carry with one such part has one state under both names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

Carry: TypeAlias = Any
"""A NamedTuple of tensors, or a dict of tensors."""


def carry_parts(carry: Carry) -> dict[str, Tensor]:
    """Returns the tensors of a carry by name."""
    return dict(carry) if isinstance(carry, Mapping) else carry._asdict()


def with_parts(carry: Carry, parts: Mapping[str, Tensor]) -> Carry:
    """Returns a carry of the same kind that holds other tensors under the same names."""
    ordered = {name: parts[name] for name in carry_parts(carry)}
    return ordered if isinstance(carry, Mapping) else carry._replace(**ordered)


def map_parts(function: Callable[..., Tensor], carry: Carry, *others: Carry) -> Carry:
    """Applies a function to each part of a carry, and to the same part of other carries of its kind."""
    parts = [carry_parts(each) for each in (carry, *others)]
    return with_parts(carry, {name: function(*(each[name] for each in parts)) for name in parts[0]})


def chosen_rows(carry: Carry, index: Tensor | slice) -> Carry:
    """Returns the rows of the given indices, ``(n,)`` int64, of a mask or of a slice."""
    return map_parts(lambda part: part[index], carry)


def with_rows(carry: Carry, index: Tensor, fresh: Carry) -> Carry:
    """Returns a carry whose rows of the given indices ``(n,)`` are those of ``fresh``, which has n rows."""
    return map_parts(lambda old, new: old.index_copy(0, index, new), carry, fresh)


def where_rows(mask: Tensor, carry: Carry, other: Carry) -> Carry:
    """Returns the rows of ``carry`` where ``mask (B,)`` is True, and those of ``other`` elsewhere."""
    return map_parts(lambda a, b: torch.where(mask.view(-1, *[1] * (b.dim() - 1)), a, b), carry, other)


def slow_state(carry: Carry) -> Tensor:
    """Returns the state that the answer is read from, ``(B, ..., D)``: z_H of HRM."""
    return _states(carry)[0]


def fast_state(carry: Carry) -> Tensor:
    """Returns the state that changes fastest, ``(B, ..., D)``: z_L of HRM."""
    return _states(carry)[-1]


def _states(carry: Carry) -> list[Tensor]:
    return [part for part in carry_parts(carry).values() if part.is_floating_point()]
