"""Callbacks for `HRM.learn`, beside those of Stable-Baselines3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image, TensorBoardOutputFormat

from hrm_agent.agent import HRM
from hrm_agent.evaluation import Evaluation
from hrm_agent.vec_env import native
from hrm_env.drawing import Picture, side_by_side


class EvaluateCallback(BaseCallback):
    """Evaluates every test puzzle exactly once, every so many optimizer steps, and logs ``eval/``.

    SB3's `EvalCallback` samples episodes; this one sweeps them.

    Args:
        env: ``gym.make_vec(id, num_envs=B, order="once", ...)``.
        every_updates: Optimizer steps between sweeps; 0 sweeps only when `evaluate` is called.
        save_path: Where to save the agent at every sweep; None does not save.
        pictures: How many puzzles to draw for TensorBoard, with the answers of the sweep: the first ones.
        verbose: 1 prints each sweep.

    Attributes:
        history: ``(updates, summary)`` of every sweep.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        every_updates: int,
        save_path: str | Path | None = None,
        pictures: int = 4,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        self.env, self.every_updates, self.save_path, self.pictures = env, every_updates, save_path, pictures
        self.history: list[tuple[int, dict[str, Any]]] = []

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
        self._log(evaluation, summary)
        self.history.append((model._n_updates, summary))
        if self.save_path is not None:
            model.save(self.save_path)
        return summary

    def _log(self, evaluation: Evaluation, summary: dict[str, Any]) -> None:
        for name in (
            "exact",
            "valid",
            "cell_accuracy",
            "segments_mean",
            "segments_p95",
            "q_halt_accuracy",
            "puzzles_per_second",
        ):
            self.logger.record(f"eval/{name}", summary[name])
        self.logger.record("eval/exact_after_one_segment", summary["accuracy_by_segment"][0])
        if self.pictures and any(isinstance(output, TensorBoardOutputFormat) for output in self.logger.output_formats):
            image = Image(self._picture(evaluation), "HWC")
            self.logger.record("eval/puzzles", image, exclude=("stdout", "log", "json", "csv"))
        self.logger.dump(self.model.num_timesteps)

    def _picture(self, evaluation: Evaluation) -> Picture:
        """The first puzzles of the sweep in one picture, with their answers."""
        env = native(self.env)
        inputs, solution, _ = (tensor.cpu() for tensor in env.stored(slice(self.pictures)))
        answers = evaluation.answer[: self.pictures]
        return side_by_side([env.rules.task.render(*tokens) for tokens in zip(inputs, answers, solution, strict=True)])
