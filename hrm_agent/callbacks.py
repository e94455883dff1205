"""Callbacks for `HRM.learn`, beside those of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback

from hrm_agent.agent import HRM
from hrm_agent.evaluation import Evaluation

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
"""What of `Evaluation.summary` is logged at every sweep."""


class EvaluateCallback(BaseCallback):
    """Evaluates every test puzzle exactly once, every so many optimizer steps, and logs ``eval/``.

    SB3's `EvalCallback` samples episodes; this one sweeps them.

    Args:
        env: ``gym.make_vec(id, num_envs=B, order="once", ...)``.
        every_updates: Optimizer steps between sweeps; 0 sweeps only when `evaluate` is called.
        save_path: Where to save the agent at every sweep; None does not save.
        verbose: 1 prints each sweep.

    Attributes:
        history: ``(updates, summary)`` of every sweep.
        listeners: Called with every sweep's `Evaluation`, as `HaltingDashboard` wants it.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        every_updates: int,
        save_path: str | Path | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        self.env, self.every_updates, self.save_path = env, every_updates, save_path
        self.history: list[tuple[int, dict[str, Any]]] = []
        self.listeners: list[Callable[[Evaluation], None]] = []

    def _on_step(self) -> bool:
        if self.every_updates and self.n_calls % self.every_updates == 0:
            self.evaluate()
        return True

    def latest(self) -> dict[str, Any]:
        """The sweep of the agent as it is now: the last one, unless the agent has learned since."""
        assert isinstance(self.model, HRM)
        if self.history and self.history[-1][0] == self.model._n_updates:
            return self.history[-1][1]
        return self.evaluate()

    def evaluate(self) -> dict[str, Any]:
        """One sweep now, logged and remembered."""
        model = self.model
        assert isinstance(model, HRM)
        evaluation = model.evaluate(self.env)
        summary = evaluation.summary()
        self._log(summary)
        for listener in self.listeners:
            listener(evaluation)
        self.history.append((model._n_updates, summary))
        if self.save_path is not None:
            model.save(self.save_path)
        return summary

    def _log(self, summary: dict[str, Any]) -> None:
        for name in SCALARS:
            self.logger.record(f"eval/{name}", summary[name])
        self.logger.record("eval/exact_after_one_segment", summary["accuracy_by_segment"][0])
        self.logger.dump(self.model.num_timesteps)
