"""Return and length of the newest episodes, which Stable-Baselines3 reports, without waiting for the device.

Rewards and ends of the steps stay on the device as they are; they are read together, once an interval.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from hrm_agent.state import Rehearsal, State, Stateful, check_finite, check_same

_MOST_STEPS = 256  # that wait to be read


class EpisodeWindow(Stateful):
    """The newest episodes of B slots.

    Args:
        slots: B.
        size: How many episodes are kept.

    Attributes:
        newest: ``{"r": return, "l": length}`` of each at the last `read`, as SB3's ``ep_info_buffer`` holds them.
    """

    def __init__(self, slots: int, size: int) -> None:
        self.newest: deque[dict[str, float]] = deque(maxlen=size)
        self._returns, self._lengths = np.zeros(slots), np.zeros(slots, np.int64)
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, reward: Tensor, done: Tensor) -> None:
        """Takes note of a step's rewards ``(B,)`` and of which episodes ended ``(B,)`` bool; computes nothing."""
        self._waiting.append((reward, done))
        if len(self._waiting) == _MOST_STEPS:
            self.read()

    def read(self) -> None:
        """Adds up what waits, in two transfers from the device."""
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
        """How many episodes there are, and the sums of their returns and lengths, as float64 scalars on the host."""
        self.read()
        found = (len(self.newest), *(sum(episode[name] for episode in self.newest) for name in ("r", "l")))
        names = ("window_episodes", "window_return", "window_length")
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in zip(names, found, strict=True)}

    def state_dict(self) -> State:
        """The episodes kept, and those under way."""
        self.read()
        newest = [[episode["r"], episode["l"]] for episode in self.newest]
        return {
            "returns": torch.from_numpy(self._returns),
            "lengths": torch.from_numpy(self._lengths),
            "newest": torch.tensor(newest, dtype=torch.float64).reshape(-1, 2),
        }

    def check_state(self, name: str, state: State, rehearsal: Rehearsal) -> None:
        """Refuses anything but the finite figures of at most ``size`` episodes; none at all begin anew.

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
        """Goes on where `state_dict` was taken."""
        returns, lengths, newest = (state[name].cpu() for name in ("returns", "lengths", "newest"))
        self._returns, self._lengths = returns.double().numpy().copy(), lengths.long().numpy().copy()
        self.newest.clear()
        self.newest.extend({"r": total, "l": int(length)} for total, length in newest.tolist())
        return self
