"""The order in which a batched environment deals puzzles to its slots."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hrm_env.checks import shortened


class Dealing:
    """Deals the puzzles of a source to the slots, in an `hrm_env.envs.episode.Order`.

    Args:
        count: Number of puzzles N in the source.
        order: ``"random"``, ``"sequential"`` or ``"once"``.
        device: Device of the indices.

    Attributes:
        next: Number of puzzles dealt so far if the order is not random, ``()`` int64.
        shard: The pair (k, n): every n-th puzzle is dealt, from the k-th on.
    """

    def __init__(self, count: int, order: str, device: torch.device) -> None:
        self.count, self.order, self.device = count, order, device
        self.shard = 0, 1
        self.restart()

    def restart(self) -> None:
        """Starts again with the first puzzle."""
        self.next = torch.zeros((), dtype=torch.long, device=self.device)

    def share(self, shard: Any) -> None:
        """Sets the shard (k, n) of one of n processes.

        Raises:
            ValueError: The shard is no pair (k, n) with k below n.
        """
        pair = shard if isinstance(shard, tuple | list) and len(shard) == 2 else (0, 0)
        if any(type(number) is not int for number in pair) or not 0 <= pair[0] < pair[1]:
            raise ValueError(f'options["shard"]: expected (k, n) with k from 0 to n - 1, found {shortened(shard)}')
        self.shard = pair[0], pair[1]

    def deal(self, wanted: Tensor, generator: torch.Generator) -> Tensor:
        """Deals an index ``(B,)`` to each slot that ``wanted (B,)`` marks; the rest is undefined. Counts past N."""
        if self.order == "random":
            return torch.randint(self.count, wanted.shape, generator=generator, device=self.device)
        dealt = self.next + wanted.cumsum(0) - 1
        self.next = self.next + wanted.sum()
        first, every = self.shard
        return first + every * dealt

    def has_puzzle(self, index: Tensor) -> Tensor:
        """Returns whether each index refers to a puzzle; with ``order="once"``, an index from N on does not."""
        past_the_end = index >= self.count
        return ~past_the_end if self.order == "once" else torch.ones_like(past_the_end)
