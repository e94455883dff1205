"""Replays a policy on recorded traces: the policy's own code decides, and no network runs."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_agent.halting import HaltContext, HaltingPolicy, make
from hrm_agent.halting.policy import begin, decision, noise_of
from hrm_agent.inference.views import rows_of
from hrm_agent.traces.header import TraceHeader
from hrm_agent.traces.record import Traces


@dataclass(frozen=True)
class Replay:
    """Decisions of a policy on every puzzle of the traces.

    Attributes:
        policy: String form of the policy.
        segments: Halting segment, 1 to M, ``(N,)`` int64.
        right: Whether the answer there is right, handed in or not, ``(N,)`` bool.
        abstained: Whether the policy hands in nothing, ``(N,)`` bool.
        q_halt: Logit of halting there, of the view that answers, ``(N,)`` float32.
        by_choice: Whether the policy halted the puzzle, at the last segment or before, ``(N,)`` bool; otherwise the
            budget did.
        work: Segments computed over all views, ``(N,)`` int64.
    """

    policy: str
    segments: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    abstained: npt.NDArray[np.bool_]
    q_halt: npt.NDArray[np.float32]
    by_choice: npt.NDArray[np.bool_]
    work: npt.NDArray[np.int64]

    @property
    def exact(self) -> npt.NDArray[np.bool_]:
        """Whether the policy hands in the right answer, ``(N,)`` bool."""
        return self.right & ~self.abstained


def replay(traces: Traces, policy: str | HaltingPolicy, max_segments: int | None = None) -> Replay:
    """Runs a policy on recorded signals, all puzzles at once, segment after segment.

    It decides as in the live agent, because it sees the same numbers. The batch shrinks as puzzles halt.

    Args:
        traces: The recording.
        policy: A string form, or a policy, which is copied.
        max_segments: Budget, at most that of the recording, which is the default.

    Raises:
        ValueError: The recording lacks a signal, a view or a segment that the policy needs.
    """
    policy = copy.deepcopy(make(policy))
    budget = _checked_budget(traces, max_segments)
    reason = why_not(policy, traces.header)
    if reason:
        raise ValueError(f"replay of {policy.name!r}: {reason}")
    signals = {name: torch.from_numpy(traces.signals[name][:, : policy.views, :budget]) for name in policy.needs}
    by_choice, abstained = np.zeros((2, len(traces)), np.bool_)
    view = np.zeros(len(traces), np.int64)
    computed = torch.zeros(len(traces), policy.views, dtype=torch.long)  # segments computed by each view
    alive = torch.arange(len(traces))
    for segment in range(1, budget + 1):
        if not len(alive):
            break
        chosen = _decide(policy, signals, alive, segment, budget, computed)
        done = chosen | (segment == budget)
        halted = alive[done].numpy()
        by_choice[halted] = chosen[done].numpy()
        elected = torch.as_tensor(policy.elect()).expand(len(alive))
        silent = torch.as_tensor(policy.abstains()).expand(len(alive) * policy.views).view(-1, policy.views)
        view[halted] = elected[done].numpy()
        abstained[halted] = silent[torch.arange(len(alive)), elected][done].numpy()
        left = (~done).nonzero().squeeze(1)
        policy.keep(rows_of(left, policy.views))
        alive = alive[left]
    work, every = computed.numpy(), np.arange(len(traces))
    answered = (every, view, work[every, view] - 1)  # a view that halted before its puzzle keeps its answer
    return Replay(
        policy=policy.name,
        segments=work.max(1),
        right=traces.correct[answered],
        abstained=abstained,
        q_halt=traces.signals["q_halt"][answered],
        by_choice=by_choice,
        work=work.sum(1),
    )


def _decide(
    policy: HaltingPolicy, signals: dict[str, Tensor], alive: Tensor, segment: int, budget: int, computed: Tensor
) -> Tensor:
    """Returns which puzzles of ``alive (B,)`` halt, ``(B,)`` bool; counts the segment in ``computed (N, K)``."""
    rows = len(alive) * policy.views
    begin(policy, torch.full((rows,), segment == 1))
    awake = torch.ones(rows, dtype=torch.bool) if policy.halted is None else ~policy.halted
    computed[alive] += awake.view(-1, policy.views)
    seen = {name: signal[alive, :, segment - 1].flatten(0, 1) for name, signal in signals.items()}
    halt = decision(policy, HaltContext(torch.full((rows,), segment), budget, seen))
    return halt.view(-1, policy.views)[:, 0]  # the views of a puzzle halt together


def _checked_budget(traces: Traces, max_segments: int | None) -> int:
    recorded = traces.header.max_segments
    budget = recorded if max_segments is None else max_segments
    if not 1 <= budget <= recorded:
        raise ValueError(f"max_segments: expected 1 to {recorded}, which were recorded, found {budget}")
    return budget


def why_not(policy: HaltingPolicy, recorded: TraceHeader) -> str:
    """Returns why a policy cannot be replayed on a recording; empty if it can.

    Args:
        policy: The policy.
        recorded: Header of the recording, made or planned.
    """
    missing = [name for name in policy.needs if name not in recorded.signals]
    if missing:
        return f"expected recorded signals {', '.join(policy.needs)}, found no {', '.join(missing)}"
    if policy.views > recorded.views:
        return f"expected {policy.views} recorded views, found {recorded.views}"
    if policy.views > 1 and noise_of(policy) != noise_of(recorded):
        wanted, found = (":".join(f"{value:g}" for value in noise_of(each)) for each in (policy, recorded))
        return f"expected views recorded with noise {wanted}, found noise {found}"
    return ""
