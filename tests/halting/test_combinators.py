"""Policies made of policies: truth tables, memory, what they need and how they are written."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hrm_agent.halting import HaltContext, HaltingPolicy, make
from hrm_agent.halting.combinators import AllOf, AnyOf, Combination, Max, Min

# rows: Q_halt says yes, yes, no, no; the entropy says yes, no, yes, no
SIGNALS = {"q_halt": torch.tensor([1.0, 1.0, -1.0, -1.0]), "entropy": torch.tensor([0.0, 1.0, 0.0, 1.0])}


def decide(text: str, segment: int = 2) -> list[int]:
    used = torch.full((4,), segment)
    found: list[int] = make(text).decide(HaltContext(used, 9, SIGNALS)).int().tolist()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("any(q-threshold,entropy)", [1, 1, 1, 0]),
        ("all(q-threshold,entropy)", [1, 0, 0, 0]),
        ("any(q-threshold)", [1, 1, 0, 0]),
        ("all(q-threshold)", [1, 1, 0, 0]),
        ("min:2(q-threshold)", [1, 1, 0, 0]),
        ("min:3(q-threshold)", [0, 0, 0, 0]),
        ("min:2(q-threshold,entropy)", [1, 1, 1, 0]),
        ("max:3(q-threshold)", [1, 1, 0, 0]),
        ("max:2(q-threshold)", [1, 1, 1, 1]),
        ("any(all(q-threshold,entropy),min:3(fixed:1))", [1, 0, 0, 0]),
        ("all(fixed:2,any(q-threshold,entropy),max:9(q-threshold))", [1, 1, 0, 0]),
        ("abstain(q-threshold,entropy)", [1, 1, 0, 0]),
        (" any( q-threshold , all(entropy , fixed:1) )".strip(), [1, 1, 1, 0]),
    ],
)
def test_truth_tables(text: str, expected: list[int]) -> None:
    assert decide(text) == expected


@pytest.mark.parametrize("segment", [1, 2, 3, 4, 5])
def test_between_a_minimum_and_a_maximum(segment: int) -> None:
    halts = [0, 0, 0, 0] if segment < 3 else [1, 1, 0, 0] if segment < 5 else [1, 1, 1, 1]
    assert decide("max:5(min:3(q-threshold))", segment) == halts


class Counting(HaltingPolicy):
    """Counts, for each row, the segments of its episode."""

    def __init__(self) -> None:
        self.count = torch.zeros(0).long()

    def reset(self, mask: Tensor) -> None:
        self.count = torch.where(mask, 0, self.count if len(self.count) else mask.long())

    def decide(self, context: HaltContext) -> Tensor:
        self.count = self.count + 1
        return self.count >= 3

    def keep(self, rows: Tensor) -> None:
        self.count = self.count[rows]


def test_of_no_policies() -> None:
    context = HaltContext(torch.full((4,), 2), 9, SIGNALS)
    found = [kind([]).decide(context).tolist() for kind in (AnyOf, AllOf)]
    assert found == [[False] * 4, [True] * 4]


def combinations(*policies: HaltingPolicy) -> list[Combination]:
    return [AnyOf(policies), AllOf(policies), Min(2, policies), Max(2, policies)]


@pytest.mark.parametrize("number", range(4))
def test_every_policy_is_asked_and_keeps_its_own_memory(number: int) -> None:
    first, second = Counting(), Counting()
    combination = combinations(make("fixed:1"), first, make("fixed:9"), second)[number]
    used = torch.ones(4).long()
    combination.reset(used > 0)
    combination.decide(HaltContext(used, 9, {}))
    combination.decide(HaltContext(used, 9, {}))
    combination.keep(torch.tensor([0, 2, 3]))
    combination.reset(torch.tensor([False, True, False]))
    combination.decide(HaltContext(used[:3], 9, {}))
    assert first.count.tolist() == second.count.tolist() == [3, 1, 3]


def test_memory_counts_even_where_another_policy_decides() -> None:
    policy = make("all(patience:2,fixed:4)")
    policy.reset(torch.tensor([True]))
    found = []
    for segment, changed in enumerate([1.0, 0.0, 0.0, 0.0], start=1):
        context = HaltContext(torch.tensor([segment]), 9, {"changed": torch.tensor([changed])})
        found.append(bool(policy.decide(context)))
    assert found == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("any(fixed:2)", ()),
        ("all(q-compare,q-threshold,kl,q-margin)", ("q_halt", "q_continue", "kl")),
        ("min:2(any(kl,max:3(ponder)),kl)", ("kl", "q_halt", "puzzle")),
    ],
)
def test_they_need_what_their_policies_need_once(text: str, needs: tuple[str, ...]) -> None:
    assert make(text).needs == needs


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("any(patience:2,kl:0.1)", "any of (the answer unchanged for 2, KL(p^{m−1} ‖ p^m) < 0.1)"),
        ("all(fixed:2,oracle)", "all of (m = 2, the answer is right)"),
        ("min:3(entropy)", "(mean entropy < 0.01) and m ≥ 3"),
        ("max:6(q-threshold:0.9)", "(σ(q_halt) ≥ 0.9) or m = 6"),
        ("abstain(fixed:2,entropy)", "(m = 2), with an answer only if (mean entropy < 0.01)"),
        ("any(min:2(margin:0.5))", "any of ((least margin > 0.5) and m ≥ 2)"),
    ],
)
def test_descriptions(text: str, described: str) -> None:
    assert make(text).describe() == described


@pytest.mark.parametrize("number", range(4))
def test_policies_of_several_views_stand_outermost(number: int) -> None:
    class TwoViews(Counting):
        views = 2

    with pytest.raises(ValueError, match="a policy of many views has to stand outermost"):
        combinations(TwoViews())[number]


@pytest.mark.parametrize("outer", ["{}", "any({},fixed:9)", "min:2(all({}))", "max:5({},q-threshold)"])
def test_the_second_policy_says_which_rows_hand_in_nothing(outer: str) -> None:
    policy = make(outer.format("abstain(q-threshold,entropy)"))
    policy.decide(HaltContext(torch.full((4,), 2), 9, SIGNALS))
    assert torch.as_tensor(policy.abstains()).tolist() == [False, True, False, True]
    assert make(outer.format("q-threshold")).abstains() is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abstain(kl)", "expected a policy that halts and one that trusts, neither abstaining, found KL"),
        ("abstain(kl,kl,kl)", "neither abstaining, found KL, KL, KL"),
        ("abstain(kl,min:2(abstain(kl,kl)))", "neither abstaining, found KL, Min"),
        ("abstain(kl,best-q:2)", "a policy of many views has to stand outermost"),
        ("halt-first:2(any(abstain(kl,kl)))", "a policy that abstains has to stand outside a policy of several views"),
        ("min:2(abstain(best-q:2,kl))", "a policy of many views has to stand outermost"),
    ],
)
def test_abstentions_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(text)


@pytest.mark.parametrize("kind", [Min, Max])
@pytest.mark.parametrize("segments", [0, -1])
def test_there_is_no_segment_before_the_first(kind: type[Min], segments: int) -> None:
    with pytest.raises(ValueError, match=f"expected at least 1 segment, found {segments}"):
        kind(segments, [])
