"""Training metrics that add up on the device: one transfer to the host per log interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from hrm_agent.cores.core import SegmentOutput
from hrm_agent.state import Rehearsal, State, Stateful
from hrm_env.checks import check_integer, shortened
from hrm_env.envs.grading import Grade

Q_BINS = 20
"""Bins of σ(q_halt) from 0 to 1."""


class Histogram(NamedTuple):
    """Counts of values by bin.

    Attributes:
        edges: Edges of the bins, ``(n + 1,)``, ascending.
        counts: Number of values in each bin, ``(n,)``.
    """

    edges: Tensor
    counts: Tensor


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


class MetricSums(Stateful):
    """Running sums of named device tensors, read out and cleared together."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Adds one step's metrics, the same in every step, without leaving the device.

        Raises:
            ValueError: The sums, which a file may have given, are those of other metrics.
        """
        if not self.steps:
            self._sums = dict(metrics)
        elif _shapes(self._sums) != _shapes(metrics):
            raise ValueError("sums: expected those of this run's metrics, found those of others")
        else:
            self._sums = {name: total + metrics[name] for name, total in self._sums.items()}
        self.steps += 1

    def pop(self) -> dict[str, Tensor]:
        """Returns the sums as float64 tensors on the host, in one transfer, and clears them."""
        names, values = list(self._sums), list(self._sums.values())
        if not names:
            return {}
        flat = torch.cat([value.reshape(-1).double() for value in values]).cpu()
        parts = torch.split(flat, [value.numel() for value in values])
        self._sums, self.steps = {}, 0
        return {name: part.view(value.shape) for name, part, value in zip(names, parts, values, strict=True)}

    def state_dict(self) -> State:
        """Returns the sums so far."""
        return {"steps": self.steps, "sums": dict(self._sums)}

    def check_state(self, name: str, state: State, rehearsal: Rehearsal) -> None:
        """Refuses anything but a number of steps and the sums of as many; their names are known at the next `add` only.

        Raises:
            ValueError: Names what was expected and found.
        """
        steps, sums = check_integer(f"{name}: steps", state.get("steps"), 0, 2**53), state.get("sums")
        if not isinstance(sums, Mapping) or not all(isinstance(value, Tensor) for value in sums.values()):
            raise ValueError(f"{name}: expected tensors by name, found {shortened(sums)}")
        if bool(steps) != bool(sums):
            raise ValueError(f"{name}: expected those of {steps} steps, found {len(sums)} sums")

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Goes on with earlier sums."""
        self.steps, self._sums = state["steps"], dict(state["sums"])
        return self


@torch.no_grad()
def halting_metrics(
    output: SegmentOutput, grades: Grade, halt: Tensor, segment: Tensor, max_segments: int
) -> dict[str, Tensor]:
    """Returns sums over the episodes that end with this segment, and the mean Q values of all rows.

    Args:
        output: Outputs of the segment.
        grades: Grades of its answers.
        halt: Rows that the policy stops, ``(B,)`` bool; rows at the budget end in any case.
        segment: Segments used, ``(B,)``.
        max_segments: The budget.

    Returns:
        ``episodes``, ``segments``, ``exact``, ``cells``, ``at_budget`` (ended without a choice), ``wrong_by_choice``
        (ended by choice on a wrong answer) and ``q_halt_right`` (the sign of q_halt tells whether the answer is right)
        summed over ended episodes;
        their counts by outcome, wrong then right, ``segments_counts (2, M_max)`` of m = 1.. and ``q_halt_counts
        (2, Q_BINS)`` of σ(q_halt); and the batch means ``q_halt`` and ``q_continue`` as probabilities.
    """
    exact, cells = grades
    done = halt | (segment >= max_segments)
    q_halt = output.q_halt.sigmoid()
    return {
        "episodes": done.sum(),
        "segments": (segment * done).sum(),
        "exact": (exact & done).sum(),
        "cells": (cells * done).sum(),
        "at_budget": (done & ~halt).sum(),
        "wrong_by_choice": (halt & ~exact).sum(),
        "q_halt_right": (done & ((output.q_halt >= 0) == exact)).sum(),
        "segments_counts": _counts(segment - 1, max_segments, exact, done),
        "q_halt_counts": _counts((q_halt * Q_BINS).long(), Q_BINS, exact, done),
        "q_halt": q_halt.mean(),
        "q_continue": output.q_continue.sigmoid().mean(),
    }


def _counts(bins: Tensor, size: int, exact: Tensor, done: Tensor) -> Tensor:
    """Counts the rows that end by bin, wrong and right ones apart: ``(2, size)``."""
    place = exact.long() * size + bins.clamp(0, size - 1)  # NaN, too, becomes a bin
    return torch.zeros(2 * size, device=done.device).scatter_add(0, place, done.float()).view(2, size)


def tensorboard_tags(sums: Mapping[str, Tensor], steps: int) -> dict[str, float]:
    """Returns the scalars that an interval of training logs, by TensorBoard tag (see docs/tensorboard.md).

    Args:
        sums: `MetricSums.pop()`.
        steps: Optimizer steps in the interval.
    """
    per_step = {
        "train/loss": "loss",
        "train/answer_loss": "answer_loss",
        "train/halt_loss": "halt_loss",
        "train/continue_loss": "continue_loss",
        "train/grad_norm": "grad_norm",
        "halting/q_halt_mean": "q_halt",
        "halting/q_continue_mean": "q_continue",
        "halting/exploration_rate": "exploring",
    }
    per_episode = {
        "rollout/exact": "exact",
        "rollout/cell_accuracy": "cells",
        "rollout/return": "reward",
        "halting/segments_mean": "segments",
        "halting/at_budget": "at_budget",
        "halting/wrong_by_choice": "wrong_by_choice",
        "halting/q_halt_accuracy": "q_halt_right",
    }
    tags = {tag: float(sums[key]) / steps for tag, key in per_step.items() if key in sums}
    episodes = float(sums["episodes"])
    if episodes:
        tags |= {tag: float(sums[key]) / episodes for tag, key in per_episode.items()}
        tags["halting/by_choice"] = 1 - tags["halting/at_budget"]
        ended = sums["segments_counts"].sum(0).cumsum(0)  # after at most m segments
        tags["halting/segments_p95"] = 1 + float((ended < 0.95 * episodes).sum())
    return tags


def tensorboard_histograms(sums: Mapping[str, Tensor]) -> dict[str, Histogram]:
    """Returns the histograms of the episodes that ended within an interval, by TensorBoard tag; no empty ones."""
    by_segments, by_q_halt = sums["segments_counts"], sums["q_halt_counts"]
    segments, belief = torch.arange(by_segments.shape[1] + 1) + 0.5, torch.linspace(0, 1, Q_BINS + 1)
    found = {"halting/segments": Histogram(segments, by_segments.sum(0))}
    for row, outcome in enumerate(("wrong", "right")):
        found[f"halting/segments_when_{outcome}"] = Histogram(segments, by_segments[row])
        found[f"halting/q_halt_when_{outcome}"] = Histogram(belief, by_q_halt[row])
    return {tag: histogram for tag, histogram in found.items() if histogram.counts.any()}
