"""What every policy does on the puzzles of every checkpoint: replays side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_agent.study.candidates import Candidate
from hrm_agent.study.metrics import summary
from hrm_agent.traces.record import Traces
from hrm_agent.traces.replay import Replay, replay


@dataclass(frozen=True)
class Outcomes:
    """P policies on N puzzles in S seeds (checkpoints).

    Attributes:
        candidates: The policies, P.
        segments: Halting segment, ``(S, P, N)`` int64.
        exact: Right there, ``(S, P, N)`` bool.
        work: Segments computed over all views, ``(S, P, N)`` int64.
        metrics: All scalars of `hrm_agent.study.metrics.summary` for each policy, means over seeds; P.
        index: Rows of the puzzles in the source, ``(N,)`` int64.
    """

    candidates: tuple[Candidate, ...]
    segments: npt.NDArray[np.int64]
    exact: npt.NDArray[np.bool_]
    work: npt.NDArray[np.int64]
    metrics: tuple[dict[str, float], ...]
    index: npt.NDArray[np.int64]


def replay_all(traces: Sequence[Traces], candidates: Sequence[Candidate], budget: int) -> Outcomes:
    """Replays every policy on the traces of every checkpoint.

    Args:
        traces: Of each checkpoint, S, all of the same puzzles.
        candidates: At least one.
        budget: Segments.

    Raises:
        ValueError: The traces are of different puzzles, or cannot serve a policy.
    """
    check_same_puzzles(traces)
    with tqdm(total=len(traces) * len(candidates), desc="replaying", disable=None, leave=False) as bar:
        replays = [
            [_replayed(each, candidate.policies[seed], budget, bar) for candidate in candidates]
            for seed, each in enumerate(traces)
        ]
    views = [candidate.make().views for candidate in candidates]
    by_seed = [
        [_metrics(each, one, count, budget) for one, count in zip(row, views, strict=True)]
        for each, row in zip(traces, replays, strict=True)
    ]
    return Outcomes(
        candidates=tuple(candidates),
        segments=np.array([[one.segments for one in row] for row in replays]),
        exact=np.array([[one.exact for one in row] for row in replays]),
        work=np.array([[one.work for one in row] for row in replays]),
        metrics=tuple(_mean(seeds) for seeds in zip(*by_seed, strict=True)),
        index=traces[0].index,
    )


def _replayed(traces: Traces, policy: str, budget: int, bar: Any) -> Replay:
    found = replay(traces, policy, budget)
    bar.update()
    return found


def check_same_puzzles(traces: Sequence[Traces]) -> None:
    """Refuses traces that cannot be paired.

    Raises:
        ValueError: There are none, or they are of different puzzles.
    """
    if not traces or not len(traces[0]):
        raise ValueError("study: expected recorded traces, found none")
    first = traces[0]
    for number, each in enumerate(traces[1:], start=2):
        if each.inputs.shape != first.inputs.shape or not np.array_equal(each.inputs, first.inputs):
            raise ValueError(
                f"study: expected traces of the same puzzles from all checkpoints, found others in number {number} "
                f"({len(each)} of {each.header.task}) than in number 1 ({len(first)} of {first.header.task})"
            )
        if not np.array_equal(each.group, first.group):
            raise ValueError(
                f"study: expected traces with the same groups of puzzles from all checkpoints, found others in number "
                f"{number}"
            )


def _metrics(traces: Traces, one: Replay, views: int, budget: int) -> dict[str, float]:
    correct = np.asarray(traces.correct[:, :views, :budget].any(1))
    return summary(correct, one.segments, one.q_halt, traces.rating, one.exact, one.work) | {
        "by_choice": float(one.by_choice.mean())
    }


def _mean(seeds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over seeds; NaN where a metric is not defined in one."""
    return {name: float(np.mean([seed[name] for seed in seeds])) for name in seeds[0]}
