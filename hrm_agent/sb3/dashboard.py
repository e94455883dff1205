"""The halting dashboard of a run in TensorBoard: grouped curves, texts, options, figures and pictures of puzzles."""

from __future__ import annotations

import gc

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam, Image

from hrm_agent.inference.evaluation import Evaluation
from hrm_agent.inference.frames import frames
from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.callbacks import EvaluateCallback
from hrm_agent.sb3.dashboard_figures import accuracy_by_segment_figure, pixels, thinking_picture
from hrm_agent.sb3.event_files import event_writers, outliving_a_full_disk
from hrm_agent.sb3.run_card import halting_card, puzzles_card, run_options, table
from hrm_agent.sb3.vec_env import native
from hrm_agent.study.figures.reliability import reliability_figure
from hrm_env.drawing import Picture, draw_puzzle, side_by_side
from hrm_env.task import PuzzleBatch

Charts = dict[str, list[object]]
"""Titles, each with the kind of diagram and the tags of its curves, which are regular expressions."""

IN_TRAINING: Charts = {
    "where it stops, in segments: mean, 95th percentile": [
        "Multiline",
        ["halting/segments_mean$", "halting/segments_p95$"],
    ],
    "why it stops: by choice, at the budget": ["Multiline", ["halting/by_choice$", "halting/at_budget$"]],
    "what it believes: mean σ(q_halt), σ(q_continue)": [
        "Multiline",
        ["halting/q_halt_mean$", "halting/q_continue_mean$"],
    ],
    "how right: exact, sign of q_halt, wrong by choice": [
        "Multiline",
        ["rollout/exact$", "halting/q_halt_accuracy$", "halting/wrong_by_choice$"],
    ],
    "losses: all, answer, halt, continue": ["Multiline", ["train/loss$", "train/[a-z]+_loss$"]],
}
ON_TEST_PUZZLES: Charts = {
    "how right: exact, after 1 segment, sign of q_halt": [
        "Multiline",
        ["eval/exact$", "eval/exact_after_one_segment$", "eval/q_halt_accuracy$"],
    ],
    "where it stops: mean, 95th percentile": ["Multiline", ["eval/segments_mean$", "eval/segments_p95$"]],
}
_NOT_FOR = ("stdout", "log", "json", "csv")
"""SB3's outputs that hold no pictures."""


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
        model, writers = self.model, event_writers(self.logger.output_formats)
        assert isinstance(model, HRM)
        if not writers:
            return
        layout, test, part = {"halting in training": IN_TRAINING}, None, ("rollout/exact", "halting/segments_mean")
        if self.sweeps is not None:
            layout, test = {"halting on test puzzles": ON_TEST_PUZZLES, **layout}, native(self.sweeps.env)
            part = ("eval/exact", "eval/segments_mean")
        with outliving_a_full_disk(self.logger):
            for writer in writers:
                writer.add_custom_scalars(layout)
                for tag, card in (("run/halting", halting_card(model)), ("run/puzzles", puzzles_card(model, test))):
                    writer.add_text(tag, table(card), model.num_timesteps)
                writer.flush()
        # SB3's HParam, unlike `SummaryWriter.add_hparams`, does not create a second folder
        self.logger.record("run/options", HParam(run_options(model), dict.fromkeys(part, 0.0)), exclude=_NOT_FOR)

    def _on_step(self) -> bool:
        return True

    def draw(self, evaluation: Evaluation) -> None:
        """Records figures, answers and strips of a sweep, which are logged with its other figures."""
        sweeps = self.sweeps
        assert sweeps is not None
        if event_writers(sweeps.logger.output_formats):
            for tag, picture in self._pictures(sweeps, evaluation).items():
                sweeps.logger.record(tag, Image(picture, "HWC"), exclude=_NOT_FOR)

    def _pictures(self, sweeps: EvaluateCallback, evaluation: Evaluation) -> dict[str, Picture]:
        """Returns the pictures of a sweep by tag."""
        model, env = sweeps.model, native(sweeps.env)
        assert isinstance(model, HRM)
        task, rules = env.rules.task, env.rules
        found = {
            "eval/reliability": pixels(reliability_figure(evaluation.q_halt, evaluation.exact)),
            "eval/accuracy_by_segment": pixels(accuracy_by_segment_figure(evaluation)),
        }
        order = rules.puzzles.round_robin()
        if self.pictures:
            first = order[: self.pictures]
            batch = PuzzleBatch(*(tensor.cpu() for tensor in env.stored(first)))
            answer = torch.from_numpy(evaluation.answer[first]).long()
            handed_in = zip(batch.inputs, answer, rules.judged_by(batch, answer), strict=True)
            found["eval/puzzles"] = side_by_side([draw_puzzle(task, *tokens) for tokens in handed_in])
        if self.strips:
            agent, learned = (model.policy.acting_core, model.halting, env), model.config.learner.learns_q_continue
            seen = [list(frames(*agent, index, learned)) for index in order[: self.strips].tolist()]
            found["eval/thinking"] = thinking_picture(task, seen, min(self.segments, rules.max_segments))
        gc.collect()  # a figure refers to itself: without this, megabytes of pixels pile up over many sweeps
        return found
