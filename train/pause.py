"""Pauses of a run: it ends for now where it has had a certain amount of compute, and remembers how far it came."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from stable_baselines3.common.callbacks import BaseCallback

from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.callbacks import EvaluateCallback
from hrm_env.checks import check_choice, check_integer, check_number, shortened

Unit = Literal["updates", "cpu_seconds"]


@dataclass(frozen=True)
class Limit:
    """An amount of compute since the beginning of a run.

    Attributes:
        amount: Amount of the unit.
        unit: Optimizer steps, or CPU seconds of the process during training, sweeps not included.
    """

    amount: float
    unit: Unit


@dataclass(frozen=True)
class Reached:
    """A limit that a run has reached.

    Attributes:
        limit: The limit.
        updates: Optimizer steps since the beginning of the run.
    """

    limit: Limit
    updates: int


class Pause(BaseCallback):
    """Measures the CPU time of training; at a limit evaluates the agent and ends `HRM.learn`. Stands first in the list.

    Args:
        sweeps: Evaluates at the limit.
        until: The limit; None to measure only.

    Attributes:
        cpu_seconds: CPU seconds of training since the beginning of the run; what a kill lost is not counted.
        reached: The limits reached.
    """

    def __init__(self, sweeps: EvaluateCallback, until: Limit | None = None) -> None:
        super().__init__()
        self.sweeps, self.until = sweeps, until
        self.cpu_seconds, self.reached = 0.0, list[Reached]()
        sweeps.listeners.append(lambda _: self._begin())

    def _begin(self) -> None:
        self._last = time.process_time()

    def _on_training_start(self) -> None:
        self._begin()

    def _on_step(self) -> bool:
        self.cpu_seconds += time.process_time() - self._last
        self._begin()
        assert isinstance(self.model, HRM)
        updates = self.model._n_updates
        if self.until is None:
            return True
        if self.until.amount > (updates if self.until.unit == "updates" else self.cpu_seconds):
            return True
        self.sweeps.latest()
        self.reached.append(Reached(self.until, updates))
        return False

    def state_dict(self) -> dict[str, Any]:
        """Returns what it remembers, as JSON can hold it."""
        return {"cpu_seconds": self.cpu_seconds, "reached": [asdict(each) for each in self.reached]}

    def load_state_dict(self, state: Any) -> None:
        """Continues from a `state_dict`, or from nothing where the run has none.

        Raises:
            ValueError: It is no such state.
        """
        self.cpu_seconds, self.reached = paused_at(state)


def paused_at(state: Any) -> tuple[float, list[Reached]]:
    """Returns the CPU seconds and the limits reached of a `Pause.state_dict`.

    Raises:
        ValueError: It is no such state.
    """
    limits = state.get("reached", []) if isinstance(state, Mapping) else None
    if not isinstance(limits, list):
        raise ValueError(f"pause: expected CPU seconds and limits reached, found {shortened(state)}")
    return check_number("pause: cpu_seconds", state.get("cpu_seconds", 0.0), 0), [_reached(each) for each in limits]


def _reached(state: Any) -> Reached:
    limit = state.get("limit") if isinstance(state, Mapping) else None
    if not isinstance(limit, Mapping):
        raise ValueError(f"pause: reached: expected a limit, found {shortened(state)}")
    amount = check_number("pause: amount", limit.get("amount"), 0)
    check_choice("pause: unit", limit.get("unit"), get_args(Unit))
    updates = check_integer("pause: updates", state.get("updates"), 0)
    return Reached(Limit(amount, limit["unit"]), updates)
