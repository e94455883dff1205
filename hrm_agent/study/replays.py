"""What every policy does on the puzzles of every checkpoint: replays side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hrm_agent.study.candidates import Candidate
from hrm_agent.study.metrics import per_solved, summary
from hrm_agent.traces.record import Traces
from hrm_agent.traces.replay import Replay, replay


@dataclass(frozen=True)
class Replays:
    """P policies on N puzzles in S seeds (checkpoints).

    Attributes:
        candidates: The policies, P.
        traces: The recordings of these puzzles, S.
        segments: Halting segment, ``(S, P, N)`` int64.
        right: Whether the answer there is right, handed in or not, ``(S, P, N)`` bool.
        abstained: Whether the policy hands in nothing, ``(S, P, N)`` bool.
        q_halt: Logit of halting there, ``(S, P, N)`` float32.
        work: Segments computed over all views, ``(S, P, N)`` int64.
        metrics: All scalars of `hrm_agent.study.metrics.summary` for each policy, means over seeds; P.
    """

    candidates: tuple[Candidate, ...]
    traces: tuple[Traces, ...]
    segments: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    abstained: npt.NDArray[np.bool_]
    q_halt: npt.NDArray[np.float32]
    work: npt.NDArray[np.int64]
    metrics: tuple[dict[str, float], ...]

    @property
    def exact(self) -> npt.NDArray[np.bool_]:
        """Whether the policy hands in the right answer, ``(S, P, N)`` bool."""
        return self.right & ~self.abstained


def replay_all(traces: Sequence[Traces], candidates: Sequence[Candidate], budget: int) -> Replays:
    """Replays every policy on the traces of every checkpoint.

    Args:
        traces: Traces of each checkpoint, S, all of the same puzzles.
        candidates: At least one policy.
        budget: Segments.

    Raises:
        ValueError: The traces are of different puzzles, or cannot serve a policy.
    """
    check_same_puzzles(traces)
    pairs = [(seed, candidate) for seed in range(len(traces)) for candidate in candidates]
    bar = tqdm(pairs, desc="replaying", disable=None, leave=False)
    found = [replay(traces[seed], candidate.policies[seed], budget) for seed, candidate in bar]
    metrics = [
        _metrics(traces[seed], one, candidate.make().views, budget)
        for (seed, candidate), one in zip(pairs, found, strict=True)
    ]
    shape = (len(traces), len(candidates), -1)
    columns = {
        name: np.array([getattr(one, name) for one in found]).reshape(shape)
        for name in ("segments", "right", "abstained", "q_halt", "work")
    }
    return Replays(
        candidates=tuple(candidates),
        traces=tuple(traces),
        **columns,
        metrics=tuple(_mean(metrics[number :: len(candidates)]) for number in range(len(candidates))),
    )


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
    """Returns the metrics of a policy: of its answers at τ, handed in or not, but for accuracy and cost."""
    correct = np.asarray(traces.correct[:, :views, :budget].any(1))
    return summary(correct, one.segments, one.q_halt, traces.rating, one.right, one.work) | {
        "exact": float(one.exact.mean()),
        "segments_per_solved": per_solved(one.work, one.exact),
        "by_choice": float(one.by_choice.mean()),
    }


def _mean(seeds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Returns means over seeds; NaN where a metric is undefined in one seed."""
    return {name: float(np.mean([seed[name] for seed in seeds])) for name in seeds[0]}
