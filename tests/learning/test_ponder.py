"""PonderNet: its halting distribution and loss by hand, and what the learner makes of an episode."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from agents import SHAPE, every_puzzle_once, tiny_agent, tiny_core
from torch import Tensor

from hrm_agent import halting
from hrm_agent.config import LearnerConfig
from hrm_agent.learning.learner import Learner
from hrm_agent.learning.ponder import log_halting, ponder_loss
from hrm_env.task import PuzzleBatch

LOGITS = torch.tensor([[0.0, math.log(3), -1.0], [0.0, 0.0, 0.0]])  # λ = 0.5, 0.75, ...; 0.5, 0.5, 0.5
BUDGET = 3


def test_the_last_segment_takes_what_is_left() -> None:
    p = log_halting(LOGITS, torch.tensor([3, 2])).exp()
    assert p[0].tolist() == pytest.approx([0.5, 0.5 * 0.75, 0.5 * 0.25])
    assert p[1, :2].tolist() == pytest.approx([0.5, 0.5])


def test_an_episode_of_one_segment_halts_there() -> None:
    assert log_halting(LOGITS, torch.tensor([1, 1])).exp()[:, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_the_loss_by_hand(weight: float) -> None:
    losses = torch.tensor([[3.0, 2.0, 1.0], [4.0, 1.0, 99.0]])
    found = ponder_loss(LOGITS, losses, torch.tensor([3, 2]), prior=0.2, weight=weight)
    p, prior = [0.5, 0.375, 0.125], [0.2, 0.16, 0.64]
    divergence = sum(a * math.log(a / b) for a, b in zip(p, prior, strict=True))
    assert float(found[0]) == pytest.approx(1.5 + 0.75 + 0.125 + weight * divergence, rel=1e-5)
    divergence = 0.5 * math.log(0.5 / 0.2) + 0.5 * math.log(0.5 / 0.8)
    assert float(found[1]) == pytest.approx(2.5 + weight * divergence, rel=1e-5)  # what lies past its end is not read


def test_the_prior_itself_diverges_by_nothing() -> None:
    prior = torch.full((1, 5), math.log(0.25))  # λ = 0.2
    found = ponder_loss(prior, torch.zeros(1, 5), torch.tensor([5]), prior=0.2, weight=1.0)
    assert float(found) == pytest.approx(0, abs=1e-6)


def ponder_learner(**options: Any) -> Learner:
    core = tiny_core("hrm", mixer="mlp")
    with torch.no_grad():
        core.get_parameter("q_weight").normal_(generator=torch.Generator().manual_seed(3))
        core.get_parameter("q_bias").zero_()
    config = LearnerConfig(
        optimizer="adamw", learning_rate=0.0, weight_decay=0.0, token_loss="softmax", halt_loss="pondernet", **options
    )
    return Learner(core, halting.make("fixed:9"), BUDGET, config)


def puzzles() -> PuzzleBatch:
    inputs = torch.randint(1, SHAPE.vocab_size, (4, SHAPE.seq_len), generator=torch.Generator().manual_seed(0))
    return PuzzleBatch(inputs, inputs.flip(-1), torch.tensor([0, 1, 1, 0]))


def episode(learner: Learner) -> tuple[list[dict[str, Tensor]], Tensor, Tensor]:
    """The metrics of the three segments of an episode, and λ's logits and the token losses ``(B, M)`` of it."""
    carry, batch = learner.core.initial_carry(4), puzzles()
    metrics, logits, losses = [], [], []
    for used in range(BUDGET):
        output = learner.core(carry, batch.inputs, batch.puzzle_id)
        log_probs = output.logits.log_softmax(-1).gather(-1, batch.solution.unsqueeze(-1)).squeeze(-1)
        logits.append(output.q_halt.detach())
        losses.append(-log_probs.mean(-1).detach())
        step = learner.step(carry, batch, torch.full((4,), used))
        carry = step.carry
        metrics.append(step.metrics)
    return metrics, torch.stack(logits, 1), torch.stack(losses, 1)


def test_the_learner_weighs_answers_and_judges_whole_episodes() -> None:
    metrics, logits, losses = episode(ponder_learner(ponder_prior=0.3, ponder_weight=0.5))
    length = torch.full((4,), BUDGET)
    p = log_halting(logits, length).exp()
    for segment, found in enumerate(metrics):
        assert float(found["answer_loss"]) == pytest.approx(float((p * losses)[:, segment].mean()), rel=1e-5)
    assert [float(found["halt_loss"]) for found in metrics[:2]] == [0.0, 0.0]
    whole = ponder_loss(logits, losses, length, prior=0.3, weight=0.5).mean()
    assert float(metrics[2]["halt_loss"]) == pytest.approx(float(whole), rel=1e-5)


def test_only_the_head_learns_when_to_halt() -> None:
    learner = ponder_learner(halt_loss_weight=1.0)
    _, logits, losses = episode(learner)
    weight, bias = (learner.core.get_parameter(name) for name in ("q_weight", "q_bias"))
    assert weight.grad is not None
    assert bias.grad is not None
    assert weight.grad[0].abs().sum() > 0
    assert not weight.grad[1].any()  # Q_continue has no loss
    free = logits.clone().requires_grad_()
    ponder_loss(free, losses, torch.full((4,), BUDGET), prior=0.2, weight=0.01).mean().backward()
    assert free.grad is not None
    assert float(bias.grad[0]) == pytest.approx(float(free.grad.sum()), rel=1e-4)


def test_it_learns_to_halt_once_the_answer_is_right() -> None:
    model = tiny_agent(halt_loss="pondernet", halting="ponder", ponder_prior=0.5, ponder_weight=0.1).learn(16 * 300)
    summary = model.evaluate(every_puzzle_once(), "cdf:0.5").summary()
    assert summary["exact"] > 0.9
    assert summary["segments_mean"] < 3


@pytest.mark.parametrize(
    ("options", "learned"),
    [
        ({}, True),
        ({"halt_loss": "pondernet"}, False),
        ({"q_bootstrap": "none"}, False),
        ({"continue_loss_weight": 0.0}, False),
    ],
)
def test_who_learns_q_continue(options: dict[str, Any], learned: bool) -> None:
    assert LearnerConfig(**options).learns_q_continue == learned
