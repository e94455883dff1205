"""Training metrics: exact sums, and what becomes of them in TensorBoard."""

from __future__ import annotations

import pytest
import torch
from agents import SHAPE
from torch import Tensor

from hrm_agent.cores import Carry, SegmentOutput
from hrm_agent.learning.metrics import MetricSums, halting_metrics, tensorboard_tags


def _output(q_halt: list[float], q_continue: list[float]) -> SegmentOutput:
    rows = len(q_halt)
    nothing = torch.zeros(rows, 1, 1)
    logits = torch.zeros(rows, SHAPE.seq_len, SHAPE.vocab_size)
    carry = Carry(nothing, nothing)
    return SegmentOutput(carry, logits, torch.tensor(q_halt), torch.tensor(q_continue), nothing[:, 0])


def _metrics() -> dict[str, Tensor]:
    """Five rows of two cells: halted right, halted wrong, at the budget right, at the budget wrong, still thinking."""
    output = _output(q_halt=[2.0, -3.0, -1.0, -2.0, 3.0], q_continue=[0.0] * 5)
    solution = torch.tensor([[1, 2]] * 5)
    answer = torch.tensor([[1, 2], [1, 1], [1, 2], [2, 1], [1, 2]])
    halt = torch.tensor([True, True, True, True, False])
    return halting_metrics(output, answer, solution, halt, torch.tensor([1, 2, 4, 4, 3]), max_segments=4)


def test_halting_metrics_by_hand() -> None:
    found = {name: value.tolist() for name, value in _metrics().items()}
    assert found.pop("q_halt") == pytest.approx(float(torch.tensor([2.0, -3.0, -1.0, -2.0, 3.0]).sigmoid().mean()))
    assert found == {
        "episodes": 4,
        "segments": 1 + 2 + 4 + 4,
        "exact": 2,
        "cells": 2.5,
        "at_budget": 2,
        "premature": 1,  # the second: by choice, and wrong
        "q_halt_right": 3,  # all but the third
        "segments_histogram": [0, 1, 1, 0, 2],
        "q_continue": 0.5,
    }


def test_sums_add_up_and_start_anew() -> None:
    sums = MetricSums()
    assert sums.pop() == {}
    for step in range(3):
        sums.add({"loss": torch.tensor(0.5 + step), "histogram": torch.tensor([1, step])})
    assert sums.steps == 3
    found = sums.pop()
    assert {name: value.tolist() for name, value in found.items()} == {"loss": 4.5, "histogram": [3, 3]}
    assert found["histogram"].dtype == torch.float64  # long runs count past what float32 can
    assert (sums.steps, sums.pop()) == (0, {})


def test_tags_are_means_per_step_and_per_episode() -> None:
    sums = MetricSums()
    losses = {"loss": 3.0, "answer_loss": 2.0, "halt_loss": 1.5, "continue_loss": 0.5, "grad_norm": 4.0}
    for factor in (1.0, 3.0):  # means of two steps: twice the values above
        extra = {"reward": torch.tensor(1.0), "exploring": torch.tensor(0.25)}
        sums.add(_metrics() | {name: torch.tensor(factor * value) for name, value in losses.items()} | extra)
    tags = tensorboard_tags(sums.pop(), steps=2)
    histogram = tags.pop("halting/segments")
    assert isinstance(histogram, Tensor)
    assert histogram.tolist() == [1, 1, 2, 2, 4, 4, 4, 4]
    q_halt = float(torch.tensor([2.0, -3.0, -1.0, -2.0, 3.0]).sigmoid().mean())
    assert tags == pytest.approx(
        {
            "train/loss": 6.0,
            "train/answer_loss": 4.0,
            "train/halt_loss": 3.0,
            "train/continue_loss": 1.0,
            "train/grad_norm": 8.0,
            "halting/q_halt_mean": q_halt,
            "halting/q_continue_mean": 0.5,
            "halting/exploration_rate": 0.25,
            "rollout/exact": 0.5,
            "rollout/cell_accuracy": 0.625,
            "rollout/return": 0.25,
            "halting/segments_mean": 2.75,
            "halting/at_budget": 0.5,
            "halting/by_choice": 0.5,
            "halting/premature": 0.25,
            "halting/q_halt_accuracy": 0.75,
        }
    )


def test_an_interval_without_a_finished_episode_logs_no_rollout() -> None:
    metrics = _metrics() | {"reward": torch.tensor(0.0), "loss": torch.tensor(1.0)}
    metrics["episodes"] = torch.tensor(0)
    tags = tensorboard_tags(metrics, steps=1)
    assert set(tags) == {"train/loss", "halting/q_halt_mean", "halting/q_continue_mean"}
