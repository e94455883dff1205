"""Return and length of the newest episodes, which Stable-Baselines3 reports, without waiting for the device.

Rewards and ends of steps stay on the device until they are read together, once an interval.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from hrm_agent.state import Rehearsal, State, Stateful, check_finite, check_same

_MOST_STEPS = 256  # stored before they are read


class EpisodeWindow(Stateful):
    """The newest episodes of B slots.

    Args:
        slots: Number of slots B.
        size: Number of episodes to keep.

    Attributes:
        newest: ``{"r": return, "l": length}`` of each episode at the last `read`, as in SB3's ``ep_info_buffer``.
    """

    def __init__(self, slots: int, size: int) -> None:
        self.newest: deque[dict[str, float]] = deque(maxlen=size)
        self._returns, self._lengths = np.zeros(slots), np.zeros(slots, np.int64)
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, reward: Tensor, done: Tensor) -> None:
        """Stores a step's rewards ``(B,)`` and ended episodes ``(B,)`` bool; computes nothing."""
        self._waiting.append((reward, done))
        if len(self._waiting) == _MOST_STEPS:
            self.read()

    def read(self) -> None:
        """Adds up the stored steps, in two transfers from the device."""
        if not self._waiting:
            return
        rewards, dones = (torch.stack(steps).cpu().numpy() for steps in zip(*self._waiting, strict=True))
        self._waiting.clear()
        returns, lengths = [], []
        for reward, done in zip(rewards, dones, strict=True):
            self._returns += reward
            self._lengths += 1
            returns.append(self._returns[done])
            lengths.append(self._lengths[done])
            self._returns[done] = self._lengths[done] = 0
        count = self.newest.maxlen or 0  # more are of no use
        ended = zip(np.concatenate(returns)[-count:], np.concatenate(lengths)[-count:], strict=True)
        self.newest.extend({"r": float(total), "l": int(length)} for total, length in ended)

    def sums(self) -> dict[str, Tensor]:
        """Returns the number of episodes and the sums of their returns and lengths, as float64 scalars on the host."""
        self.read()
        found = (len(self.newest), *(sum(episode[name] for episode in self.newest) for name in ("r", "l")))
        names = ("window_episodes", "window_return", "window_length")
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in zip(names, found, strict=True)}

    def state_dict(self) -> State:
        """Returns the newest episodes and those under way."""
        self.read()
        newest = [[episode["r"], episode["l"]] for episode in self.newest]
        return {
            "returns": torch.from_numpy(self._returns),
            "lengths": torch.from_numpy(self._lengths),
            "newest": torch.tensor(newest, dtype=torch.float64).reshape(-1, 2),
        }

    def check_state(self, name: str, state: State, rehearsal: Rehearsal) -> None:
        """Refuses anything but the finite figures of at most ``size`` episodes; an empty state is accepted.

        Raises:
            ValueError: Names what was expected and found.
        """
        if not state:  # of a file written before episodes were kept
            return
        newest, expected = state.get("newest"), dict(rehearsal.before)
        if isinstance(newest, Tensor) and newest.dim() == 2 and len(newest) <= (self.newest.maxlen or 0):
            expected["newest"] = newest.new_zeros((len(newest), 2), dtype=torch.float64)
        check_same(state, expected, "state of this run")
        check_finite(state, "figures of episodes")

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Restores what `state_dict` returned."""
        returns, lengths, newest = (state[name].cpu() for name in ("returns", "lengths", "newest"))
        self._returns, self._lengths = returns.double().numpy().copy(), lengths.long().numpy().copy()
        self.newest.clear()
        self.newest.extend({"r": total, "l": int(length)} for total, length in newest.tolist())
        return self
