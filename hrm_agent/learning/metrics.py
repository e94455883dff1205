"""Training metrics that add up on the device: one transfer to the host per log interval."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hrm_agent.cores.core import SegmentOutput
from hrm_env.grading import cell_accuracy, exact_match


class MetricSums:
    """Running sums of named device tensors, read out and cleared together."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Adds one step's metrics without leaving the device."""
        for name, value in metrics.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self.steps += 1

    def pop(self) -> dict[str, Tensor]:
        """The sums as float64 tensors on the host, in one transfer; starts anew."""
        names, values = list(self._sums), list(self._sums.values())
        if not names:
            return {}
        flat = torch.cat([value.reshape(-1).double() for value in values]).cpu()
        parts = torch.split(flat, [value.numel() for value in values])
        self._sums, self.steps = {}, 0
        return {name: part.view(value.shape) for name, part, value in zip(names, parts, values, strict=True)}


@torch.no_grad()
def halting_metrics(
    output: SegmentOutput, answer: Tensor, solution: Tensor, halt: Tensor, segment: Tensor, max_segments: int
) -> dict[str, Tensor]:
    """Sums over the episodes that end with this segment, and the mean Q values of all rows.

    Args:
        output: The segment's outputs.
        answer: Its answers, ``(B, L)``.
        solution: The right ones, ``(B, L)``.
        halt: Rows that end, ``(B,)`` bool.
        segment: Segments used, ``(B,)``.
        max_segments: The budget.

    Returns:
        ``episodes``, ``segments``, ``exact``, ``cells``, ``at_budget``, ``premature`` (ended by choice on a wrong
        answer) and ``q_halt_right`` (the sign of q_halt tells whether the answer is right) summed over ended episodes,
        ``segments_histogram`` (M_max + 1,), and the batch means ``q_halt`` and ``q_continue`` as probabilities.
    """
    exact, cells = exact_match(answer, solution), cell_accuracy(answer, solution)
    at_budget = halt & (segment >= max_segments)
    histogram = torch.zeros(max_segments + 1, device=halt.device)
    return {
        "episodes": halt.sum(),
        "segments": (segment * halt).sum(),
        "exact": (exact & halt).sum(),
        "cells": (cells * halt).sum(),
        "at_budget": at_budget.sum(),
        "premature": (halt & ~at_budget & ~exact).sum(),
        "q_halt_right": (halt & ((output.q_halt >= 0) == exact)).sum(),
        "segments_histogram": histogram.scatter_add(0, segment, halt.float()),
        "q_halt": output.q_halt.sigmoid().mean(),
        "q_continue": output.q_continue.sigmoid().mean(),
    }


def tensorboard_tags(sums: Mapping[str, Tensor], steps: int) -> dict[str, float | Tensor]:
    """What an interval of training logs, by TensorBoard tag (docs/tensorboard.md explains each).

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
        "halting/premature": "premature",
        "halting/q_halt_accuracy": "q_halt_right",
    }
    tags: dict[str, float | Tensor] = {tag: float(sums[key]) / steps for tag, key in per_step.items() if key in sums}
    episodes = float(sums["episodes"])
    if episodes:
        tags |= {tag: float(sums[key]) / episodes for tag, key in per_episode.items()}
        tags["halting/by_choice"] = 1 - float(tags["halting/at_budget"])
        counts = sums["segments_histogram"].long()
        tags["halting/segments"] = torch.arange(len(counts)).repeat_interleave(counts)
    return tags
