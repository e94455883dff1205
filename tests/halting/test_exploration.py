"""Exploration: now and then a row must think for longer than its policy wants."""

from __future__ import annotations

import math

import pytest
import torch
from agents import Remembering
from torch import Tensor

from hrm_agent.config import Per
from hrm_agent.halting import Exploration, HaltContext, HaltingPolicy, make
from hrm_agent.halting.rules import Fixed, QCompare

ROWS = 30_000


def seen(segment: int, rows: int = ROWS) -> HaltContext:
    q_halt = torch.randn(rows, generator=torch.Generator().manual_seed(segment))
    return HaltContext(torch.full((rows,), segment), 8, {"q_halt": q_halt, "q_continue": torch.zeros(rows)})


def exploring(
    epsilon: float, budget: int = 8, per: Per = "episode", policy: HaltingPolicy | None = None
) -> Exploration:
    return Exploration(policy or Fixed(1), epsilon, budget, torch.Generator().manual_seed(0), per)


def every() -> Tensor:
    return torch.ones(ROWS, dtype=torch.bool)


def assert_rate(found: Tensor, rate: float) -> None:
    deviation = math.sqrt(rate * (1 - rate) / found.numel())
    assert abs(float(found.double().mean()) - rate) <= 4 * deviation


@pytest.mark.parametrize("per", ["episode", "segment"])
def test_without_exploration_the_policy_decides(per: Per) -> None:
    policy = exploring(0.0, per=per, policy=QCompare())
    for segment in range(1, 5):
        policy.reset(every() if segment == 1 else ~every())
        assert torch.equal(policy.decide(seen(segment)), QCompare().decide(seen(segment)))


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("budget", [2, 3, 8])
def test_an_episode_is_delayed_at_the_rate_and_uniformly(epsilon: float, budget: int) -> None:
    policy = exploring(epsilon, budget)
    lengths = torch.zeros(ROWS, dtype=torch.long)
    for segment in range(1, budget + 1):
        policy.reset(every() if segment == 1 else ~every())
        halted = policy.decide(seen(segment)) & (lengths == 0)  # the wrapped policy would halt at once
        lengths[halted] = segment
    assert lengths.min() >= 1
    assert lengths.max() == budget
    assert_rate(lengths > 1, epsilon)
    for length in range(2, budget + 1):
        assert_rate(lengths == length, epsilon / (budget - 1))


def test_an_episode_draws_once() -> None:
    policy = exploring(0.5)
    policy.reset(every())
    drawn = policy.min_segments.clone()
    begins = torch.arange(ROWS) % 3 == 0
    policy.reset(begins)
    assert torch.equal(policy.min_segments[~begins], drawn[~begins])
    assert not torch.equal(policy.min_segments[begins], drawn[begins])
    assert_rate(policy.min_segments[begins] > 1, 0.5)


def test_a_segment_draws_anew() -> None:
    policy = exploring(0.5, per="segment")
    drawn = []
    for segment in range(3):
        policy.reset(every() if segment == 0 else ~every())
        drawn.append(policy.min_segments > 1)
    for number, first in enumerate(drawn):
        assert_rate(first, 0.5)
        for second in drawn[:number]:
            assert_rate(first == second, 0.5)  # as two coins agree


def test_exploration_delays_and_never_hastens() -> None:
    policy = exploring(1.0, policy=Fixed(5))
    policy.reset(every())
    assert not any(policy.decide(seen(segment)).any() for segment in range(1, 5))
    assert torch.equal(policy.decide(seen(5)), policy.min_segments <= 5)
    assert policy.decide(seen(8)).all()


def test_the_wrapped_policy_is_told_who_begins() -> None:
    class Told(Fixed):
        begun: Tensor | None = None

        def reset(self, mask: Tensor) -> None:
            self.begun = mask

    told = Told(1)
    policy = exploring(0.5, per="segment", policy=told)
    mask = torch.arange(ROWS) % 2 == 0
    policy.reset(mask)
    assert told.begun is not None
    assert torch.equal(told.begun, mask)


def test_a_shrinking_batch_keeps_what_was_drawn() -> None:
    memory = Remembering()
    policy = exploring(0.5, policy=memory)
    policy.reset(every())
    memory.before = torch.arange(ROWS).float()
    drawn, kept = policy.min_segments, torch.arange(0, ROWS, 7)
    policy.keep(kept)
    policy.reset(torch.zeros(len(kept), dtype=torch.bool))
    assert torch.equal(policy.min_segments, drawn[kept])
    assert torch.equal(memory.before, kept.float())


def test_it_needs_what_its_policy_needs_also_when_that_is_swapped() -> None:
    policy = exploring(0.5, policy=QCompare())
    assert list(policy.needs) == ["q_halt", "q_continue"]
    policy.policy = make("kl:0.1")
    assert list(policy.needs) == ["kl"]


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, math.nan])
def test_a_rate_is_a_probability(epsilon: float) -> None:
    with pytest.raises(ValueError, match="exploration: expected a finite number from 0 to 1, found"):
        exploring(epsilon)


def halting_segments(policy: HaltingPolicy, puzzle: Tensor, budget: int = 8) -> Tensor:
    """Where one episode of every puzzle halts, ``(B,)``; the budget counts one more."""
    rows = len(puzzle)
    found = torch.full((rows,), budget + 1)
    for segment in range(1, budget + 1):
        policy.reset(torch.full((rows,), segment == 1))
        context = HaltContext(torch.full((rows,), segment), budget, {"puzzle": puzzle, "q_halt": torch.zeros(rows)})
        found = torch.where(policy.decide(context) & (found > budget), segment, found)
    return found


@pytest.mark.parametrize("text", ["random:0.5", "ponder"])
def test_lots_fall_anew_in_every_episode_of_training_and_alike_elsewhere(text: str) -> None:
    puzzle = torch.arange(ROWS).float()
    policy = exploring(0.0, policy=make(text))
    found = torch.stack([halting_segments(policy, puzzle) for _ in range(3)])
    assert torch.equal(halting_segments(make(text), puzzle), halting_segments(make(text), puzzle))
    for segment in (1, 2, 3):
        assert_rate(found == segment, 0.5**segment)
    # an episode tells nothing of the next one of the same puzzle, nor of what evaluation would draw
    drawn = torch.cat([found, halting_segments(make(text), puzzle)[None]]).double()
    assert (torch.corrcoef(drawn) - torch.eye(4)).abs().max() < 4 / math.sqrt(ROWS)


def test_the_same_puzzle_in_all_slots_and_episodes_is_drawn_for_independently() -> None:
    policy = exploring(0.0, policy=make("random:0.5"))
    found = torch.stack([halting_segments(policy, torch.full((100,), 7.0)) for _ in range(100)])
    for segment in (1, 2):
        assert_rate(found == segment, 0.5**segment)
        assert_rate((found[1:] == segment) & (found[:-1] == segment), 0.25**segment)
        assert_rate((found[:, 1:] == segment) & (found[:, :-1] == segment), 0.25**segment)


def test_an_episode_keeps_its_number_and_its_row() -> None:
    policy = exploring(0.0)
    policy.reset(torch.tensor([True, True, True]))
    first = policy.episode
    policy.reset(torch.tensor([False, True, False]))
    assert policy.episode[[0, 2]].tolist() == first[[0, 2]].tolist()
    assert len({*policy.episode.tolist(), int(first[1])}) == 4
    policy.keep(torch.tensor([2, 0]))
    assert policy.episode.tolist() == first[[2, 0]].tolist()
