"""The learning rule: targets, the three ways to bootstrap, loss weights, and what else a step does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from agents import SHAPE, tiny_core
from torch import Tensor

from hrm_agent import halting
from hrm_agent.config import LearnerConfig
from hrm_agent.cores import HRMCarry, ReasoningCore
from hrm_agent.learning.learner import Learner
from hrm_agent.learning.losses import TOKEN_LOSSES
from hrm_agent.learning.q_learning import continue_target, halt_target
from hrm_env.task import PuzzleBatch

BUDGET = 4
USED = torch.tensor([0, 1, 2, 3, 0])  # segments before the step: rows 0 and 4 begin, row 3 is at its last


def learner(core: ReasoningCore | None = None, policy: str = "q-compare", **options: Any) -> Learner:
    config = {"optimizer": "adamw", "learning_rate": 1e-2, "token_loss": "softmax", **options}
    budget = config.pop("max_segments", BUDGET)
    return Learner(core or believing_core(), halting.make(policy), budget, LearnerConfig(**config))


@torch.no_grad()
def believing_core(**options: Any) -> ReasoningCore:
    """A core whose Q values differ from row to row."""
    core = tiny_core("hrm", mixer="mlp", **options)
    core.get_parameter("q_weight").normal_(generator=torch.Generator().manual_seed(3))
    core.get_parameter("q_bias").zero_()
    return core


def batch(seed: int = 0) -> PuzzleBatch:
    inputs = torch.randint(1, SHAPE.vocab_size, (5, SHAPE.seq_len), generator=torch.Generator().manual_seed(seed))
    return PuzzleBatch(inputs, inputs.flip(-1), torch.tensor([0, 1, 1, 0, 1]))


def busy_carry(core: ReasoningCore) -> HRMCarry:
    """A hidden state in mid-thought."""
    carry: HRMCarry = core(core.initial_carry(5), batch(9).inputs, batch(9).puzzle_id).carry
    return carry


def test_halt_target_is_the_reward() -> None:
    assert halt_target(torch.tensor([True, False])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("q_halt", "q_continue", "is_last", "expected"),
    [(0.0, -1.0, False, 0.5), (-3.0, 0.0, False, 0.5), (0.0, 5.0, True, 0.5), (2.0, 1.0, False, 0.8807970779778823)],
)
def test_continue_target(q_halt: float, q_continue: float, is_last: bool, expected: float) -> None:
    target = continue_target(torch.tensor([q_halt]), torch.tensor([q_continue]), torch.tensor([is_last]))
    assert target.tolist() == pytest.approx([expected])


@pytest.mark.parametrize(("cost", "expected"), [(0.0, 0.5), (0.2, 0.3), (0.9, 0.0)])
def test_a_segments_cost_is_taken_off_the_continue_target(cost: float, expected: float) -> None:
    zero = torch.zeros(1)
    assert continue_target(zero, zero, torch.tensor([False]), cost).tolist() == pytest.approx([expected])


@pytest.mark.parametrize("bootstrap", ["second-pass", "next-step"])
def test_the_continue_loss_knows_the_cost(bootstrap: str) -> None:
    found = {}
    for cost in (0.0, 0.4):
        mine = learner(q_bootstrap=bootstrap, segment_cost=cost, learning_rate=0.0)
        mine.step(busy_carry(mine.core), batch(), torch.ones(5, dtype=torch.long))
        step = mine.step(busy_carry(mine.core), batch(), torch.full((5,), 2))
        found[cost] = step.metrics
    assert float(found[0.0]["halt_loss"]) == float(found[0.4]["halt_loss"])
    assert float(found[0.0]["continue_loss"]) != float(found[0.4]["continue_loss"])


def _answer_and_halt_loss(
    core: ReasoningCore, carry: HRMCarry, puzzles: PuzzleBatch, used: Tensor
) -> tuple[Any, Tensor, Tensor]:
    """A segment, and its first two losses, from their definitions."""
    output = core(core.reset_carry(carry, used == 0), puzzles.inputs, puzzles.puzzle_id)
    tokens = F.cross_entropy(output.logits.flatten(0, 1), puzzles.solution.flatten())
    right = (output.logits.argmax(-1) == puzzles.solution).all(-1).float()
    return output, tokens, F.binary_cross_entropy_with_logits(output.q_halt, right)


@pytest.mark.parametrize(("halt_weight", "continue_weight"), [(0.5, 0.5), (0.2, 0.7), (0.0, 1.0)])
@pytest.mark.parametrize("bootstrap", ["second-pass", "next-step", "none"])
def test_losses_and_gradients(bootstrap: str, halt_weight: float, continue_weight: float) -> None:
    mine = learner(q_bootstrap=bootstrap, halt_loss_weight=halt_weight, continue_loss_weight=continue_weight)
    carry = busy_carry(mine.core)
    for seed in (7, 0):  # the steps before; from the last of them "next-step" keeps what the Q head read
        stored = copy.deepcopy(mine.core)(carry, batch(seed).inputs, batch(seed).puzzle_id).q_input.detach()
        carry = mine.step(carry, batch(seed), torch.ones(5, dtype=torch.long)).carry

    core = copy.deepcopy(mine.core)
    core.zero_grad(set_to_none=True)
    puzzles = batch(1)
    output, tokens, halt = _answer_and_halt_loss(core, carry, puzzles, USED)
    loss = tokens + halt_weight * halt
    is_last = torch.tensor([False, False, False, True, False])
    expected_continue = None
    if bootstrap == "second-pass":
        with torch.no_grad():
            after = core(output.carry, puzzles.inputs, puzzles.puzzle_id)
            best = torch.where(is_last, after.q_halt, torch.maximum(after.q_halt, after.q_continue))
        expected_continue = F.binary_cross_entropy_with_logits(output.q_continue, best.sigmoid())
    if bootstrap == "next-step":
        best = torch.where(is_last, output.q_halt, torch.maximum(output.q_halt, output.q_continue)).detach()
        predicted = stored @ core.get_parameter("q_weight")[1] + core.get_parameter("q_bias")[1]
        error = F.binary_cross_entropy_with_logits(predicted, best.sigmoid(), reduction="none")
        expected_continue = error[1:4].sum() / 5  # rows that begin have no step before
    if expected_continue is not None:
        loss = loss + continue_weight * expected_continue
    loss.backward()

    step = mine.step(carry, puzzles, USED)
    assert float(step.metrics["answer_loss"]) == pytest.approx(tokens.item(), rel=1e-5)
    assert float(step.metrics["halt_loss"]) == pytest.approx(halt.item(), rel=1e-5)
    assert float(step.metrics["loss"]) == pytest.approx(loss.item(), rel=1e-5)
    assert ("continue_loss" in step.metrics) == (expected_continue is not None)
    if expected_continue is not None:
        assert float(step.metrics["continue_loss"]) == pytest.approx(expected_continue.item(), rel=1e-5)
    for (name, found), wanted in zip(mine.core.named_parameters(), core.parameters(), strict=True):
        assert found.grad is not None, name
        assert wanted.grad is not None, name
        torch.testing.assert_close(found.grad.to_dense(), wanted.grad.to_dense(), rtol=1e-4, atol=1e-7)


def test_next_step_learns_nothing_where_every_row_begins() -> None:
    mine = learner(q_bootstrap="next-step")
    begin = torch.zeros(5, dtype=torch.long)
    carry = mine.core.initial_carry(5)
    for _ in range(2):  # the second time there is a step before, of other episodes
        assert float(mine.step(carry, batch(), begin).metrics["continue_loss"]) == 0


@pytest.mark.parametrize("bootstrap", ["second-pass", "next-step"])
def test_a_budget_of_one_segment_has_no_continue_loss_as_in_the_reference(bootstrap: Any) -> None:
    mine = learner(q_bootstrap=bootstrap, max_segments=1)
    passes: list[int] = []
    mine.core.register_forward_hook(lambda *_: passes.append(1))
    for _ in range(2):
        step = mine.step(mine.core.initial_carry(5), batch(), torch.zeros(5, dtype=torch.long))
        assert "continue_loss" not in step.metrics
    assert len(passes) == 2


@pytest.mark.parametrize("token_loss", TOKEN_LOSSES)
def test_rows_that_begin_forget_the_state_before(token_loss: str) -> None:
    fresh, stale = learner(token_loss=token_loss), learner(token_loss=token_loss)
    begin = torch.zeros(5, dtype=torch.long)
    first = fresh.step(fresh.core.initial_carry(5), batch(), begin)
    second = stale.step(busy_carry(stale.core), batch(), begin)
    assert torch.equal(first.carry.z_h, second.carry.z_h)
    assert torch.equal(first.metrics["loss"], second.metrics["loss"])


def test_the_policy_and_the_budget_decide_who_halts() -> None:
    for policy, halt in (("fixed:3", [2, 3]), ("fixed:9", [])):
        mine = learner(policy=policy)
        step = mine.step(busy_carry(mine.core), batch(), USED)
        assert step.halt.nonzero().flatten().tolist() == halt
        assert step.done.nonzero().flatten().tolist() == sorted({*halt, 3})  # the fourth row is at its budget


def test_answers_are_the_most_probable_tokens() -> None:
    mine = learner()
    output = mine.core(mine.core.initial_carry(5), batch().inputs, batch().puzzle_id)
    step = mine.step(mine.core.initial_carry(5), batch(), torch.zeros(5, dtype=torch.long))
    assert torch.equal(step.answer, output.logits.argmax(-1))
    assert not step.carry.z_h.requires_grad


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_moving_average(decay: float) -> None:
    mine = learner(ema=decay)
    expected: dict[str, Tensor] = {}
    for number in range(4):
        mine.step(mine.core.initial_carry(5), batch(number), torch.zeros(5, dtype=torch.long))
        now = {name: p.detach().clone() for name, p in mine.core.named_parameters()}
        expected = {name: decay * expected[name] + (1 - decay) * now[name] for name in now} if number else now
    found = dict(mine.acting_core.named_parameters())
    expected["puzzle_embedding.weight"] = now["puzzle_embedding.weight"]  # is not averaged
    assert mine.acting_core is not mine.core
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-5, atol=1e-7)
    plain = learner(ema=None)
    assert plain.acting_core is plain.core


def test_gradient_clipping() -> None:
    begin = torch.zeros(5, dtype=torch.long)
    free, clipped = learner(), learner(max_grad_norm=1e-3)
    norms = [float(m.step(m.core.initial_carry(5), batch(), begin).metrics["grad_norm"]) for m in (free, clipped)]
    assert norms[0] == norms[1] > 1e-3  # the norm before clipping is what is reported
    kept, scaled = (torch.cat([p.grad.flatten() for p in m.dense if p.grad is not None]) for m in (free, clipped))
    assert float(kept.norm()) == pytest.approx(norms[0], rel=1e-5)
    torch.testing.assert_close(scaled, kept * 1e-3 / norms[0], rtol=1e-3, atol=0)


def test_puzzle_embedding_has_its_own_optimizer() -> None:
    mine = learner(believing_core(puzzle_positions=1), puzzle_embedding_lr=0.25, weight_decay=0.0)
    mine.step(mine.core.initial_carry(5), batch(), torch.zeros(5, dtype=torch.long))
    embedding = mine.core.get_parameter("puzzle_embedding.weight")
    assert (embedding[:2].abs() == 0.25).all()  # sign-SGD from zero: a step of the full rate
    assert not embedding[2].any()  # no puzzle of this id was in the batch


def test_learning_rate_factor_scales_every_groups_own_rate() -> None:
    mine = learner(learning_rate=0.5, puzzle_embedding_lr=0.25)
    for factor in (0.5, 0.1, 1.0):  # always of the full rate, not of the last one
        mine.set_learning_rate_factor(factor)
        assert [o.param_groups[0]["lr"] for o in mine.optimizers] == pytest.approx([0.5 * factor, 0.25 * factor])
