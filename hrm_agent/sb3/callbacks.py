"""Callbacks for `HRM.learn`, in addition to those of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback, ProgressBarCallback

from hrm_agent.checkpoints.failing_disk import Attempts
from hrm_agent.checkpoints.figures import PRINTED, check_figures
from hrm_agent.checkpoints.names import checkpoint_path
from hrm_agent.distributed import rank
from hrm_agent.errors import NonFiniteError
from hrm_agent.inference.evaluation import Evaluation
from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.event_files import outliving_a_full_disk
from hrm_env.checks import check_integer, shortened

SCALARS = (
    "exact",
    "valid",
    "cell_accuracy",
    "segments_mean",
    "segments_p95",
    "work_mean",
    "q_halt_accuracy",
    "puzzles_per_second",
)
"""Entries of `Evaluation.summary` that are logged at every sweep."""


class EvaluateCallback(BaseCallback):
    """Evaluates every test puzzle exactly once at regular intervals, and logs ``eval/``.

    SB3's `EvalCallback` samples episodes instead.

    Args:
        env: The test puzzles: ``gym.make_vec(id, num_envs=B, order="once", ...)``.
        every_updates: Optimizer steps between sweeps; 0 sweeps only when `evaluate` is called.
        save_path: Path to save the agent to at every sweep; None does not save.
        best_path: Path to save it to at every sweep that is better than all before, with more puzzles right or equally
            many in fewer segments; None does not save.

    Attributes:
        history: Optimizer steps and summary, ``(updates, summary)``, of every sweep.
        listeners: Functions that are called with the `Evaluation` of every sweep; what they record is logged with it.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        every_updates: int,
        save_path: str | Path | None = None,
        best_path: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.env, self.every_updates, self.save_path, self.best_path = env, every_updates, save_path, best_path
        self._attempts = Attempts()
        self.history: list[tuple[int, dict[str, Any]]] = []
        self.listeners: list[Callable[[Evaluation], None]] = []

    def _on_step(self) -> bool:
        assert isinstance(self.model, HRM)
        steps = self.model.config.minibatches  # since the last call
        if self.every_updates and self.n_calls * steps % self.every_updates < steps:
            self.latest()
        return True

    def latest(self) -> dict[str, Any]:
        """Returns the summary of the current agent; sweeps only if the agent has learned since the last sweep."""
        assert isinstance(self.model, HRM)
        if self.history and self.history[-1][0] == self.model._n_updates:
            return self.history[-1][1]
        return self.evaluate()

    def evaluate(self) -> dict[str, Any]:
        """Sweeps now, logs the figures and returns the summary.

        Raises:
            NonFiniteError: A Q value is not finite.
        """
        model = self.model
        assert isinstance(model, HRM)
        evaluation = model.evaluate(self.env)
        if not np.isfinite(evaluation.q_halt).all():
            raise NonFiniteError(
                f"the Q values are not finite after {model._n_updates} optimizer steps: lower the learning rate or "
                "clip the gradient, and go on from the last checkpoint"
            )
        summary = evaluation.summary()
        for listener in self.listeners:
            listener(evaluation)
        self._log(summary)
        best = max((_quality(before) for _, before in self.history), default=None)
        self.history.append((model._n_updates, summary))
        self._save(self.save_path)
        if best is None or _quality(summary) > best:
            self._save(self.best_path)
        return summary

    def _save(self, path: str | Path | None) -> None:
        if path is not None and not rank():
            self._attempts.write(checkpoint_path(path), lambda: self.model.save(path))

    def state_dict(self) -> dict[str, Any]:
        """Returns the history as JSON data."""
        return {"calls": self.n_calls, "history": self.history}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned.

        Raises:
            ValueError: The state is invalid.
        """
        history = state.get("history")
        if not isinstance(history, list) or any(not isinstance(at, list | tuple) or len(at) != 2 for at in history):
            raise ValueError(f"sweeps: history: expected pairs of updates and figures, found {shortened(history)}")
        calls = check_integer("sweeps: calls", state.get("calls"), 0)
        figures = (*PRINTED, "accuracy_by_segment")
        self.history = [
            (check_integer("sweeps: updates", updates, 0), check_figures("sweeps", summary, figures))
            for updates, summary in history
        ]
        self.n_calls = calls

    def _log(self, summary: dict[str, Any]) -> None:
        for name in SCALARS:
            self.logger.record(f"eval/{name}", summary[name])
        self.logger.record("eval/exact_after_one_segment", summary["accuracy_by_segment"][0])
        with outliving_a_full_disk(self.logger):
            self.logger.dump(self.model.num_timesteps)


def _quality(summary: Mapping[str, Any]) -> tuple[float, float]:
    return summary["exact"], -summary["segments_mean"]


class Progress(ProgressBarCallback):
    """Stable-Baselines3's progress bar, which counts the segments of all processes."""

    def _on_step(self) -> bool:
        assert isinstance(self.model, HRM)
        self.pbar.update(self.model.batch_size * self.model.config.minibatches)
        return True
