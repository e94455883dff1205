"""The observation: inputs, puzzle_id, segment. Only this file knows the layout of the space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from gymnasium import spaces

from hrm_env.puzzles import MOST_CELLS, MOST_TOKENS


@dataclass(frozen=True)
class ObservationSizes:
    """``seq_len`` L, ``vocab_size`` V, ``num_puzzle_ids``, and the budget ``max_segments``."""

    seq_len: int
    vocab_size: int
    num_puzzle_ids: int
    max_segments: int


LARGEST = ObservationSizes(seq_len=MOST_CELLS, vocab_size=MOST_TOKENS, num_puzzle_ids=2**31 - 1, max_segments=2**16)
"""The largest sizes that an environment is made with, and that a file may tell."""


def observation_space(sizes: ObservationSizes) -> spaces.Dict:
    """Dict of inputs ``(L,)`` tokens, puzzle_id, and segment: segments used so far, 0 at reset."""
    return spaces.Dict(
        {
            "inputs": spaces.MultiDiscrete([sizes.vocab_size] * sizes.seq_len),
            "puzzle_id": spaces.Discrete(sizes.num_puzzle_ids),
            "segment": spaces.Discrete(sizes.max_segments + 1),
        }
    )


def sizes_of(space: spaces.Space[object]) -> ObservationSizes:
    """The sizes of a space made by `observation_space`.

    Raises:
        ValueError: The space is another one.
    """
    if not isinstance(space, spaces.Dict) or set(space) != {"inputs", "puzzle_id", "segment"}:
        raise ValueError(f"expected the observation space of a puzzle (inputs, puzzle_id, segment), found {space}")
    inputs = cast(spaces.MultiDiscrete, space["inputs"])
    puzzle_id, segment = cast(spaces.Discrete, space["puzzle_id"]), cast(spaces.Discrete, space["segment"])
    return ObservationSizes(len(inputs.nvec), int(inputs.nvec[0]), int(puzzle_id.n), int(segment.n) - 1)
