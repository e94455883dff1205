"""A callback that saves a run now and then, and stops it when a signal asks for that."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from hrm_agent.checkpoints.failing_disk import Attempts
from hrm_agent.checkpoints.folder import CheckpointFolder
from hrm_agent.distributed import AgreedMaximum, max_over_ranks, rank
from hrm_agent.sb3.agent import HRM

_DUE = 1  # less than any signal that stops a run


class Stopped(Exception):
    """Raised when a signal has asked a run to stop, after the run has saved itself, if the disk allows it.

    Attributes:
        signal: Number of the signal.
    """

    def __init__(self, signal: int, message: str) -> None:
        super().__init__(message)
        self.signal = signal


class SaveCallback(BaseCallback):
    """Saves the whole run regularly, so that it can be resumed exactly; must be the last callback in the list.

    A checkpoint is due after ``seconds``, but not before 100 times the duration of the last one, so that checkpoints
    take at most 1 % of the time. None is written at the last step of `HRM.learn`, after which more is logged: call
    `save` at the end.

    Args:
        folder: Folder of the checkpoints.
        seconds: Time between two checkpoints; 0 saves after every optimizer step, whatever it costs.
        extra: Returns further JSON data to save, such as the `state_dict` of other callbacks.
        stop: Called after every step; returns the number of the signal that asks the run to stop, else 0.

    Raises:
        ValueError: ``seconds`` is negative.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        seconds: float = 60.0,
        extra: Callable[[], Mapping[str, Any]] = dict,
        stop: Callable[[], int] = int,
    ) -> None:
        super().__init__()
        if not seconds >= 0:
            raise ValueError(f"seconds between checkpoints: expected 0 or more, found {seconds}")
        self.folder, self.seconds, self.extra, self.stop = folder, seconds, extra, stop
        self._attempts, self._cost, self._last = Attempts(), 0.0, time.perf_counter()
        self._signal = AgreedMaximum()

    def _on_training_start(self) -> None:
        self._last = time.perf_counter()

    def _on_step(self) -> bool:
        if self.model.num_timesteps < self.model._total_timesteps:
            signal = self._signal.propose(self.stop() or _DUE * self._is_due())
            if signal == _DUE:
                self.save()
            self._obey(signal)
        return True

    def _is_due(self) -> bool:
        pause = max(self.seconds, 100 * self._cost) if self.seconds else 0.0
        return not rank() and time.perf_counter() - self._last >= pause  # rank 0 writes, and knows the cost

    def save(self) -> bool:
        """Saves now; warns and returns False if the disk is full or read-only. Older checkpoints are kept."""
        model, began = self.model, time.perf_counter()
        assert isinstance(model, HRM)
        file = self.folder.file_of(model._n_updates)
        written = self._attempts.write(file, lambda: self.folder.save(model, self.extra()))
        self._last = time.perf_counter()
        self._cost = self._last - began
        return written

    def obey(self) -> None:
        """Saves and raises `Stopped` if the run is to stop; if one of several processes is asked, all stop."""
        self._obey(max_over_ranks(self.stop()))

    def _obey(self, signal: int) -> None:
        if signal > _DUE:
            found = "saved" if self.save() else "not saved; the newest checkpoint is older"
            raise Stopped(signal, f"stopped after {self.model._n_updates:,} optimizer steps, {found}")
