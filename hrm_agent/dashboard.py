"""A halting dashboard in TensorBoard for every run: grouped curves, figures, thinking, and what was trained how."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam
from torch.utils.tensorboard import SummaryWriter

from hrm_agent.agent import HRM
from hrm_agent.analysis.figure_reliability import reliability_figure
from hrm_agent.callbacks import EvaluateCallback
from hrm_agent.dashboard_figures import accuracy_by_segment_figure, pixels, thinking_picture
from hrm_agent.evaluation import Evaluation
from hrm_agent.event_files import event_writers
from hrm_agent.run_card import halting_card, puzzles_card, run_options, table
from hrm_agent.thinking import frames
from hrm_agent.vec_env import native
from hrm_env.drawing import Picture, side_by_side

Charts = dict[str, list[str]]
"""Titles, and the tags of the curves in each; a tag is a regular expression."""

IN_TRAINING: Charts = {
    "where it stops, in segments: mean, 95th percentile": ["halting/segments_mean$", "halting/segments_p95$"],
    "why it stops: by choice, at the budget": ["halting/by_choice$", "halting/at_budget$"],
    "what it believes: mean σ(q_halt), σ(q_continue)": ["halting/q_halt_mean$", "halting/q_continue_mean$"],
    "how right: exact, sign of q_halt, wrong by choice": [
        "rollout/exact$",
        "halting/q_halt_accuracy$",
        "halting/wrong_by_choice$",
    ],
    "losses: all, answer, halt, continue": ["train/loss$", "train/[a-z]+_loss$"],
}
ON_TEST_PUZZLES: Charts = {
    "how right: exact, after 1 segment, sign of q_halt": [
        "eval/exact$",
        "eval/exact_after_one_segment$",
        "eval/q_halt_accuracy$",
    ],
    "where it stops: mean, 95th percentile": ["eval/segments_mean$", "eval/segments_p95$"],
}


class HaltingDashboard(BaseCallback):
    """Writes what a researcher of halting wants to see of a run; does nothing where there is no TensorBoard log.

    Use it as ``model.learn(..., callback=[sweeps, HaltingDashboard(sweeps)])``.

    Args:
        sweeps: The callback whose sweeps are drawn; None for training curves, texts and options alone.
        pictures: How many puzzles to draw with the answers handed in: the first ones of a sweep.
        strips: How many to show the thinking of.
        segments: How many segments of it to show, at most.
    """

    def __init__(
        self, sweeps: EvaluateCallback | None = None, pictures: int = 4, strips: int = 2, segments: int = 8
    ) -> None:
        super().__init__()
        self.sweeps, self.pictures, self.strips, self.segments = sweeps, pictures, strips, segments
        if sweeps is not None:
            sweeps.listeners.append(self.draw)

    def _on_training_start(self) -> None:
        for writer in event_writers(self.logger):
            self._describe(writer)

    def _on_step(self) -> bool:
        return True

    def _describe(self, writer: SummaryWriter) -> None:
        """The layout of the curves, the texts, and the options with the figures to compare runs by."""
        model, sweeps = self.model, self.sweeps
        assert isinstance(model, HRM)
        charts, figures = {"halting in training": _lines(IN_TRAINING)}, ["rollout/exact", "halting/segments_mean"]
        if sweeps is not None:
            charts = {"halting on test puzzles": _lines(ON_TEST_PUZZLES), **charts}
            figures = ["eval/exact", "eval/segments_mean"]
        writer.add_custom_scalars(charts)
        test = None if sweeps is None else native(sweeps.env)
        for tag, card in (("run/halting", halting_card(model)), ("run/puzzles", puzzles_card(model, test))):
            writer.add_text(tag, table(card), model.num_timesteps)
        writer.flush()
        # unlike `SummaryWriter.add_hparams`, SB3's way makes no folder of its own beside the run's
        options = HParam(run_options(model), dict.fromkeys(figures, 0.0))
        self.logger.record("run/options", options, exclude=("stdout", "log", "json", "csv"))

    def draw(self, evaluation: Evaluation) -> None:
        """Figures, answers and thinking of a sweep."""
        assert self.sweeps is not None
        for writer in event_writers(self.sweeps.logger):
            for tag, picture in self._pictures(evaluation).items():
                step = self.sweeps.model.num_timesteps
                writer.add_image(tag, picture, step, dataformats="HWC")
            writer.flush()

    def _pictures(self, evaluation: Evaluation) -> dict[str, Picture]:
        assert self.sweeps is not None
        model, env = self.sweeps.model, native(self.sweeps.env)
        assert isinstance(model, HRM)
        task, count = env.rules.task, len(evaluation.exact)
        found = {
            "eval/reliability": pixels(reliability_figure(evaluation.q_halt, evaluation.exact)),
            "eval/accuracy_by_segment": pixels(accuracy_by_segment_figure(evaluation)),
        }
        if self.pictures:
            inputs, solution, _ = (tensor.cpu() for tensor in env.stored(slice(self.pictures)))
            answers = zip(inputs, evaluation.answer[: self.pictures], solution, strict=True)
            found["eval/puzzles"] = side_by_side([task.render(*tokens) for tokens in answers])
        if self.strips:
            seen = [list(frames(model, env, index)) for index in range(min(self.strips, count))]
            shown = min(self.segments, env.rules.max_segments)
            found["eval/thinking"] = thinking_picture(task, seen, shown)
        return found


def _lines(charts: Charts) -> dict[str, list[object]]:
    """Charts as `SummaryWriter.add_custom_scalars` wants them: curves in one diagram."""
    return {title: ["Multiline", tags] for title, tags in charts.items()}
