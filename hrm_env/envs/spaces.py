"""The action: L answer tokens, then the halt bit, in one vector. Only this file knows the layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces import MultiDiscrete, Space
from torch import Tensor

HALT = 1


def action_space(seq_len: int, vocab_size: int) -> MultiDiscrete:
    """``MultiDiscrete([V] * L + [2])``."""
    return MultiDiscrete([vocab_size] * seq_len + [2])


def pack_action(answer: Tensor, halt: Tensor) -> Tensor:
    """Actions ``(B, L+1)`` int64 from answers ``(B, L)`` and halt decisions ``(B,)``."""
    return torch.cat([answer, halt.to(answer.dtype).unsqueeze(-1)], dim=-1)


def unpack_action(action: Tensor) -> tuple[Tensor, Tensor]:
    """Answers ``(B, L)`` and halt decisions ``(B,)`` bool of actions ``(B, L+1)``."""
    return action[..., :-1], action[..., -1] == HALT


def checked(action: Any, space: Space[Any], batch: tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
    """The action as int64 array of shape ``(*batch, L+1)``.

    Raises:
        ValueError: Its shape, type or a value is not of the action space.
    """
    assert isinstance(space, MultiDiscrete)
    shape = (*batch, len(space.nvec))
    wanted = f"expected integers of shape {shape} (answer tokens, then halt)"
    try:
        array = np.asarray(action)
    except ValueError as error:
        raise ValueError(f"action: {wanted}, found parts of different shapes") from error
    if array.shape != shape or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"action: {wanted}, found {array.dtype} {array.shape}")
    array = array.astype(np.int64, copy=False)
    outside = array.view(np.uint64) >= space.nvec.view(np.uint64)  # a negative number is a great one then
    if outside.any():
        where = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"action: expected 0 to {space.nvec[where[-1]] - 1} at position {where[-1]}, found {array[where]}"
        )
    return array
