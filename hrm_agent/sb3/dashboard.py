"""What the halting dashboard shows of a run in TensorBoard: grouped curves, texts, figures, answers and thinking."""

from __future__ import annotations

import gc

import torch
from torch.utils.tensorboard import SummaryWriter

from hrm_agent.inference.evaluation import Evaluation
from hrm_agent.inference.frames import frames
from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.dashboard_figures import accuracy_by_segment_figure, pixels, thinking_picture
from hrm_agent.sb3.run_card import halting_card, puzzles_card, table
from hrm_agent.study.figures.reliability import reliability_figure
from hrm_env.drawing import Picture, draw_puzzle, side_by_side
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.task import PuzzleBatch

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


def describe(writer: SummaryWriter, model: HRM, test: PuzzleVectorEnv | None) -> None:
    """Writes the layout of the curves, and what is trained how.

    Args:
        writer: Writer of the run's event file.
        model: The agent.
        test: The puzzles it is tested on, where there are any.
    """
    tested = {} if test is None else {"halting on test puzzles": _lines(ON_TEST_PUZZLES)}
    writer.add_custom_scalars({**tested, "halting in training": _lines(IN_TRAINING)})
    for tag, card in (("run/halting", halting_card(model)), ("run/puzzles", puzzles_card(model, test))):
        writer.add_text(tag, table(card), model.num_timesteps)
    writer.flush()


def sweep_pictures(
    model: HRM, env: PuzzleVectorEnv, evaluation: Evaluation, answers: int, strips: int, segments: int
) -> dict[str, Picture]:
    """What a sweep looks like, by tag.

    Args:
        model: The agent.
        env: The puzzles that were swept.
        evaluation: The sweep.
        answers: How many puzzles to draw with the answers handed in: the first ones, each of another group.
        strips: How many to show the thinking of.
        segments: How many segments of it to show, at most.
    """
    task = env.rules.task
    found = {
        "eval/reliability": pixels(reliability_figure(evaluation.q_halt, evaluation.exact)),
        "eval/accuracy_by_segment": pixels(accuracy_by_segment_figure(evaluation)),
    }
    order = env.rules.puzzles.round_robin()
    if answers:
        batch = PuzzleBatch(*(tensor.cpu() for tensor in env.stored(order[:answers])))
        answer = torch.from_numpy(evaluation.answer[order[:answers]]).long()
        handed_in = zip(batch.inputs, answer, env.rules.judged_by(batch, answer), strict=True)
        found["eval/puzzles"] = side_by_side([draw_puzzle(task, *tokens) for tokens in handed_in])
    if strips:
        seen = [list(frames(model.policy.acting_core, model.halting, env, index)) for index in order[:strips].tolist()]
        found["eval/thinking"] = thinking_picture(task, seen, min(segments, env.rules.max_segments))
    gc.collect()  # a figure refers to itself: left to chance, megabytes of pixels pile up over many sweeps
    return found


def _lines(charts: Charts) -> dict[str, list[object]]:
    """Charts as `SummaryWriter.add_custom_scalars` wants them: curves in one diagram."""
    return {title: ["Multiline", tags] for title, tags in charts.items()}
