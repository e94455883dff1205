"""Callbacks for `HRM.learn`, in addition to those of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback, ProgressBarCallback
from stable_baselines3.common.logger import HParam

from hrm_agent.checkpoints.failing_disk import Attempts
from hrm_agent.checkpoints.figures import PRINTED, check_figures
from hrm_agent.checkpoints.names import checkpoint_path
from hrm_agent.distributed import rank
from hrm_agent.errors import NonFiniteError
from hrm_agent.inference.evaluation import Evaluation
from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.dashboard import describe, sweep_pictures
from hrm_agent.sb3.event_files import event_writers, outliving_a_full_disk
from hrm_agent.sb3.run_card import run_options
from hrm_agent.sb3.vec_env import native
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
        verbose: 1 prints each sweep.

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
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        self.env, self.every_updates, self.save_path, self.best_path = env, every_updates, save_path, best_path
        self._attempts = Attempts()
        self.history: list[tuple[int, dict[str, Any]]] = []
        self.listeners: list[Callable[[Evaluation], None]] = []

    def _on_step(self) -> bool:
        if self.every_updates and self.n_calls % self.every_updates == 0:
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
        self.pbar.update(self.model.batch_size)
        return True


class HaltingDashboard(BaseCallback):
    """Writes figures, pictures and options of a run to its TensorBoard log; does nothing without one.

    Use it as ``model.learn(..., callback=[sweeps, HaltingDashboard(sweeps)])``.

    Args:
        sweeps: The callback whose sweeps are drawn; None writes training curves, texts and options alone.
        pictures: Number of puzzles to draw with their final answers: the first ones of a sweep.
        strips: Number of puzzles to draw segment by segment.
        segments: Maximum number of segments to draw of each.
    """

    def __init__(
        self, sweeps: EvaluateCallback | None = None, pictures: int = 4, strips: int = 2, segments: int = 8
    ) -> None:
        super().__init__()
        self.sweeps, self.pictures, self.strips, self.segments = sweeps, pictures, strips, segments
        if sweeps is not None:
            sweeps.listeners.append(self.draw)

    def _on_training_start(self) -> None:
        model, sweeps = self.model, self.sweeps
        assert isinstance(model, HRM)
        writers = event_writers(self.logger.output_formats)
        with outliving_a_full_disk(self.logger):
            for writer in writers:
                describe(writer, model, None if sweeps is None else native(sweeps.env))
        if writers:
            # SB3's HParam, unlike `SummaryWriter.add_hparams`, does not create a second folder
            part = (
                ("rollout/exact", "halting/segments_mean") if sweeps is None else ("eval/exact", "eval/segments_mean")
            )
            options = HParam(run_options(model), dict.fromkeys(part, 0.0))
            self.logger.record("run/options", options, exclude=("stdout", "log", "json", "csv"))

    def _on_step(self) -> bool:
        return True

    def draw(self, evaluation: Evaluation) -> None:
        """Writes figures, answers and strips of a sweep."""
        sweeps = self.sweeps
        assert sweeps is not None
        assert isinstance(sweeps.model, HRM)
        writers = event_writers(sweeps.logger.output_formats)
        if not writers:
            return
        shown = sweep_pictures(sweeps.model, native(sweeps.env), evaluation, self.pictures, self.strips, self.segments)
        with outliving_a_full_disk(sweeps.logger):
            for writer in writers:
                for tag, picture in shown.items():
                    writer.add_image(tag, picture, sweeps.model.num_timesteps, dataformats="HWC")
                writer.flush()
