"""The observation space and the action space. Only this file knows their layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Dict, Discrete, MultiDiscrete, Space

from hrm_env.puzzles import MOST_CELLS, MOST_TOKENS

if TYPE_CHECKING:
    from torch import Tensor

_HALT = 1


@dataclass(frozen=True)
class ObservationSizes:
    """The sizes of an observation.

    Attributes:
        seq_len: Tokens L of a puzzle.
        vocab_size: Number of tokens V.
        num_puzzle_ids: Rows of the puzzle-embedding table.
        max_segments: Largest number of segments of an episode.
    """

    seq_len: int
    vocab_size: int
    num_puzzle_ids: int
    max_segments: int


LARGEST = ObservationSizes(seq_len=MOST_CELLS, vocab_size=MOST_TOKENS, num_puzzle_ids=2**31 - 1, max_segments=2**16)
"""The largest sizes that an environment accepts, and that a file may name."""


def observation_space(sizes: ObservationSizes) -> Dict:
    """Returns the space of ``inputs (L,)`` tokens, ``puzzle_id`` and ``segment``, the segments used (0 at reset)."""
    return Dict(
        {
            "inputs": MultiDiscrete([sizes.vocab_size] * sizes.seq_len),
            "puzzle_id": Discrete(sizes.num_puzzle_ids),
            "segment": Discrete(sizes.max_segments + 1),
        }
    )


def sizes_of(space: Space[object]) -> ObservationSizes:
    """Returns the sizes of a space made by `observation_space`.

    Raises:
        ValueError: The space is a different one.
    """
    if not isinstance(space, Dict) or set(space) != {"inputs", "puzzle_id", "segment"}:
        raise ValueError(f"expected the observation space of a puzzle (inputs, puzzle_id, segment), found {space}")
    inputs = cast(MultiDiscrete, space["inputs"])
    puzzle_id, segment = cast(Discrete, space["puzzle_id"]), cast(Discrete, space["segment"])
    return ObservationSizes(len(inputs.nvec), int(inputs.nvec[0]), int(puzzle_id.n), int(segment.n) - 1)


def action_space(seq_len: int, vocab_size: int) -> MultiDiscrete:
    """Returns ``MultiDiscrete([V] * L + [2])``: the answer's tokens, then the halt bit."""
    return MultiDiscrete([vocab_size] * seq_len + [2])


def pack_action(answer: Tensor, halt: Tensor) -> Tensor:
    """Returns actions ``(B, L+1)`` int64 from answers ``(B, L)`` and halt decisions ``(B,)``."""
    import torch  # here, so that the commands, which read limits in this file, list their options without it

    return torch.cat([answer, halt.to(answer.dtype).unsqueeze(-1)], dim=-1)


def unpack_action(action: Any) -> tuple[Any, Any]:
    """Returns answers ``(B, L)`` and halt decisions ``(B,)`` bool from actions ``(B, L+1)``, tensors or arrays."""
    return action[..., :-1], action[..., -1] == _HALT


def check_action(action: Any, space: Space[Any], batch: tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
    """Returns the action as int64 array of shape ``(*batch, L+1)``.

    Raises:
        ValueError: Its shape, type or a value does not belong to the action space.
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
    unsigned, limits = array.view(np.uint64), space.nvec.view(np.uint64)  # negative numbers become large ones
    if (unsigned.reshape(-1, shape[-1]).max(axis=0) >= limits).any():  # faster than a comparison of every number
        where = tuple(int(i) for i in np.argwhere(unsigned >= limits)[0])
        raise ValueError(
            f"action: expected 0 to {space.nvec[where[-1]] - 1} at position {where[-1]}, found {array[where]}"
        )
    return array
