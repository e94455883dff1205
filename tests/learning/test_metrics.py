"""Training metrics: exact sums, and what becomes of them in TensorBoard."""

from __future__ import annotations

import pytest
import torch
from agents import SHAPE
from torch import Tensor

from hrm_agent.cores import HRMCarry, SegmentOutput
from hrm_agent.learning.metrics import Q_BINS, MetricSums, halting_metrics, tensorboard_histograms, tensorboard_tags
from hrm_env.envs.grading import grade


def _output(q_halt: list[float], q_continue: list[float]) -> SegmentOutput:
    rows = len(q_halt)
    nothing = torch.zeros(rows, 1, 1)
    logits = torch.zeros(rows, SHAPE.seq_len, SHAPE.vocab_size)
    carry = HRMCarry(nothing, nothing)
    return SegmentOutput(carry, logits, torch.tensor(q_halt), torch.tensor(q_continue), nothing[:, 0])


def _metrics() -> dict[str, Tensor]:
    """Five rows of two cells: halted right, halted wrong, at the budget by choice, out of budget, still thinking."""
    output = _output(q_halt=[2.0, -3.0, -1.0, -2.0, 3.0], q_continue=[0.0] * 5)
    solution = torch.tensor([[1, 2]] * 5)
    answer = torch.tensor([[1, 2], [1, 1], [1, 2], [2, 1], [1, 2]])
    halt = torch.tensor([True, True, True, False, False])
    return halting_metrics(output, grade(answer, solution), halt, torch.tensor([1, 2, 4, 4, 3]), max_segments=4)


def test_halting_metrics_by_hand() -> None:
    found = {name: value.tolist() for name, value in _metrics().items()}
    belief = found.pop("q_halt_counts")
    assert [[at for at, count in enumerate(row) if count] for row in belief] == [
        [0, 2],
        [5, 17],
    ]  # 0.05, 0.12; 0.27, 0.88
    assert sum(map(sum, belief)) == 4
    assert found.pop("q_halt") == pytest.approx(float(torch.tensor([2.0, -3.0, -1.0, -2.0, 3.0]).sigmoid().mean()))
    assert found == {
        "episodes": 4,
        "segments": 1 + 2 + 4 + 4,
        "exact": 2,
        "cells": 2.5,
        "at_budget": 1,  # the fourth: the third has chosen to halt there
        "wrong_by_choice": 1,  # the second: by choice, and wrong
        "q_halt_right": 3,  # all but the third
        "segments_counts": [[0, 1, 0, 1], [1, 0, 0, 1]],  # wrong, right
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
            "halting/segments_p95": 4,
            "halting/at_budget": 0.25,
            "halting/by_choice": 0.75,
            "halting/wrong_by_choice": 0.25,
            "halting/q_halt_accuracy": 0.75,
        }
    )


def test_an_interval_without_a_finished_episode_logs_no_rollout() -> None:
    metrics = _metrics() | {"reward": torch.tensor(0.0), "loss": torch.tensor(1.0)}
    for name in ("episodes", "segments_counts", "q_halt_counts"):
        metrics[name] = torch.zeros_like(metrics[name])
    tags = tensorboard_tags(metrics, steps=1)
    assert set(tags) == {"train/loss", "halting/q_halt_mean", "halting/q_continue_mean"}
    assert tensorboard_histograms(metrics) == {}


@pytest.mark.parametrize(("counts", "p95"), [([95, 5], 1), ([94, 6], 2), ([0, 1], 2), ([19, 0, 1], 1), ([1, 1, 18], 3)])
def test_p95_is_the_first_segment_by_which_95_percent_have_ended(counts: list[int], p95: int) -> None:
    sums = _metrics() | {"reward": torch.tensor(0.0), "loss": torch.tensor(1.0), "episodes": torch.tensor(sum(counts))}
    sums["segments_counts"] = torch.tensor([counts, [0] * len(counts)], dtype=torch.float64)
    assert tensorboard_tags(sums, steps=1)["halting/segments_p95"] == p95


def test_histograms_tell_right_from_wrong() -> None:
    found = tensorboard_histograms(_metrics())
    assert {tag: histogram.counts.tolist() for tag, histogram in found.items() if "segments" in tag} == {
        "halting/segments": [1, 1, 0, 2],
        "halting/segments_when_wrong": [0, 1, 0, 1],
        "halting/segments_when_right": [1, 0, 0, 1],
    }
    assert found["halting/segments"].edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    belief = found["halting/q_halt_when_right"]
    assert belief.edges.tolist() == pytest.approx([at / Q_BINS for at in range(Q_BINS + 1)])
    assert belief.counts.nonzero().flatten().tolist() == [5, 17]


@pytest.mark.parametrize("q", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_number_still_have_a_bin(q: float) -> None:
    output = _output([q], [0.0])
    row, halt = torch.tensor([[1, 2]]), torch.tensor([True])
    metrics = halting_metrics(output, grade(row, row), halt, torch.tensor([1]), max_segments=4)
    assert metrics["q_halt_counts"].sum() == 1
