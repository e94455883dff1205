"""The state of optimizers as flat tensors and back; a state that the optimizer would not make is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hrm_agent.checkpoints.saved_agent import said_of
from hrm_agent.errors import CheckpointError
from hrm_agent.learning.optim import state_of
from hrm_agent.state import check_finite, check_same

_NEVER_NEGATIVE = ("step", "exp_avg_sq")


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Returns the state of optimizers as flat tensors, named ``optimizer.parameter.entry``."""
    return {
        f"{number}.{parameter}.{name}": torch.as_tensor(value)
        for number, optimizer in enumerate(optimizers)
        for parameter, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
    }


def checked_state(
    path: str | Path, tensors: Mapping[str, Tensor] | None, optimizers: Sequence[torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """Returns the state that a file holds for these optimizers, checked: kernels read past tensors that are too small.

    Args:
        path: The file, for errors.
        tensors: Its group, as `optimizer_tensors` names them.
        optimizers: The optimizers that the state is for.

    Raises:
        CheckpointError: A name, type or shape is not one that the optimizer makes; a parameter lacks some of its
            entries (one that never had a gradient has none); or a number is not finite, or negative where it is a
            count or a mean of squares.
    """
    if tensors is None:
        raise CheckpointError(f"{path}: expected the state of the optimizers, found none")
    found = dict(tensors)
    made = {
        f"{number}.{parameter}.{name}": tensor
        for number, optimizer in enumerate(optimizers)
        for parameter, entries in enumerate(state_of(optimizer))
        for name, tensor in entries.items()
    }
    parameters = {name.rpartition(".")[0] for name in found}
    expected = {name: tensor for name, tensor in made.items() if name.rpartition(".")[0] in parameters}
    with said_of(path):
        check_same(found, expected, "optimizer state of its own options")
        check_finite(found, "optimizer state")
        for name, tensor in found.items():
            if name.rpartition(".")[2] in _NEVER_NEGATIVE and (tensor < 0).any():
                raise ValueError(f"expected no negative number in {name!r}, found one")
    return found


def restore_optimizers(optimizers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `checked_state` returned."""
    states: list[dict[int, dict[str, Any]]] = [{} for _ in optimizers]
    for key, tensor in tensors.items():
        number, parameter, name = key.split(".")
        value = tensor if tensor.is_floating_point() else int(tensor)
        states[int(number)].setdefault(int(parameter), {})[name] = value
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
