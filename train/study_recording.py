"""The recordings of a study: one for each checkpoint, made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hrm_agent.checkpoints.names import folder_beside
from hrm_agent.sb3.agent import HRM
from hrm_agent.study.study import StudyPlan, served
from hrm_agent.traces.header import TraceHeader, read_header
from hrm_agent.traces.record import Traces, default_signals, record

if TYPE_CHECKING:
    from .study import StudyOptions


def check_before_recording(options: StudyOptions, plan: StudyPlan, models: Sequence[HRM]) -> None:
    """Refuses, before the long recording, what would fail after it.

    Raises:
        ValueError: The agents are made for different puzzles, or a policy cannot be replayed.
    """
    first, *others = (replace(model.puzzles, sizes=replace(model.puzzles.sizes, max_segments=1)) for model in models)
    for checkpoint, puzzles in zip(options.checkpoint[1:], others, strict=True):
        if puzzles != first:
            raise ValueError(
                f"--checkpoint: expected agents of the same puzzles, found {first} in {options.checkpoint[0]} and "
                f"{puzzles} in {checkpoint}"
            )
    sizes, signals = first.sizes, dict.fromkeys(default_signals(), 1)
    numbers = sizes.seq_len, sizes.vocab_size, options.budget, options.views, options.noise
    later, start = options.segment_noise, options.random_start
    wanted = TraceHeader(first.task or "", *numbers, signals, "", "", segment_noise=later, random_start=start)
    served(plan, wanted, options.budget, untrained_signals(models))


def recorded(options: StudyOptions, number: int, model: HRM) -> Traces:
    """Returns the traces of a checkpoint: reads a complete recording, completes an interrupted one, or makes one.

    A recording of more segments than the budget is used as it is.
    """
    checkpoint = options.checkpoint[number]
    path = Path(options.out) / "traces" / f"{number}-{folder_beside(checkpoint).name}.traces"
    segments = max(options.budget, read_header(path).max_segments if path.is_file() else 0)
    env = options.environment(model, checkpoint, options.batch_size, segments)
    with model.compiled_sweep(env.num_envs * options.views):
        return record(
            model.policy.acting_core,
            env,
            path,
            views=options.views,
            noise=options.noise,
            segment_noise=options.segment_noise,
            random_start=options.random_start,
            source=" ".join((options.source, options.rows or "", *options.option)).strip(),
            progress=True,
        )


def untrained_signals(models: Sequence[HRM]) -> dict[str, str]:
    """Returns the signals that mean nothing in at least one agent, with the reason."""
    if not all(model.config.learner.learns_q_continue for model in models):
        return {"q_continue": "the agent was trained without Q_continue"}
    return {}
