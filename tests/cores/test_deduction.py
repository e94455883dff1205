"""Elimination, guesses and the way back, by hand on a row of three cells with the tokens 0, 1 and 2."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hrm_agent.cores.deduction import LatticeCarry, deduce, start

UNSURE = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
BEGINNINGS = torch.stack([torch.full((2, 4), float(n)) for n in range(3)])
SEES = torch.tensor([[0.98, 0.01, 0.01], [0.4, 0.4, 0.2], [0.2, 0.7, 0.1]])  # cell 0 is 0; cell 2 is most likely 1


def fresh() -> LatticeCarry:
    return start(1, 3, 3, (2, 4), torch.float32, torch.device("cpu"))


def step(carry: LatticeCarry, p: Tensor, conflict: bool = False, search: bool = True, **options: Any) -> LatticeCarry:
    """A step whose keep head believes, of every token, its share of the most probable one's probability."""
    keep = p / p.amax(-1, keepdim=True)
    return deduce(
        carry, carry.struck == 0, p[None], keep[None], torch.tensor([conflict]), BEGINNINGS, 0.1, search, **options
    )


def sets(carry: LatticeCarry) -> list[set[int]]:
    """The candidates of each cell of the one row."""
    return [set(cell.nonzero().flatten().tolist()) for cell in carry.struck[0] == 0]


def same(one: LatticeCarry, other: LatticeCarry) -> bool:
    """Whether two states mean the same at any age: of the guesses only those that count."""
    depth = int(one.depth)
    parts = [(a, b) for a, b in zip(one, other, strict=True) if a is not one.guesses and a is not one.age]
    return all(map(torch.equal, *zip(*parts, strict=True))) and torch.equal(
        one.guesses[:, :depth], other.guesses[:, :depth]
    )


def test_the_hidden_state_is_kept_until_a_conflict() -> None:
    carry = fresh()._replace(state=torch.ones(1, 2, 4))
    assert step(carry, SEES).state.all()
    guessed = step(carry, UNSURE)
    assert guessed.depth.tolist() == [1]
    assert guessed.state.all()
    assert not step(guessed, SEES, conflict=True).state.any()
    assert (step(guessed._replace(restarts=torch.tensor([5])), SEES, conflict=True).state == 2).all()  # 5 mod 3


def test_improbable_candidates_are_struck_out() -> None:
    carry = step(fresh(), SEES)
    assert sets(carry) == [{0}, {0, 1, 2}, {0, 1, 2}]  # 0.1 is more than a tenth of 0.7
    assert carry.struck[0].tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert carry.depth.tolist() == [0]


def test_a_guess_is_made_only_where_nothing_follows() -> None:
    deduced = step(fresh(), SEES)
    carry = step(deduced, SEES)
    assert sets(carry) == [{0}, {0, 1, 2}, {1}]  # the surest undecided cell, its best candidate
    assert carry.depth.tolist() == [1]
    assert carry.guesses[0, 0].item() == 2 * 3 + 1
    assert carry.struck[0].tolist() == [[0, 1, 1], [0, 0, 0], [2, 0, 2]]
    assert same(step(deduced, SEES, search=False), deduced)


def test_a_conflict_goes_back_to_the_last_guess_and_excludes_it() -> None:
    guessed = step(step(fresh(), SEES), SEES)
    further = step(guessed, torch.tensor([[1, 1, 1], [0.05, 0.05, 0.9], [1, 1, 1]]))
    assert sets(further) == [{0}, {2}, {1}]
    back = step(further, SEES, conflict=True)
    assert sets(back) == [{0}, {0, 1, 2}, {0, 2}]
    assert back.struck[0].tolist() == [[0, 1, 1], [0, 0, 0], [0, 1, 0]]
    assert back.depth.tolist() == [0]


def test_a_cell_without_candidates_is_a_conflict() -> None:
    guessed = step(step(fresh(), SEES), SEES)
    impossible = torch.tensor([[0.01, 0.98, 0.01], [1, 1, 1], [1, 1, 1]])  # of cell 0 only 0 is left
    assert sets(step(guessed, impossible)) == [{0}, {0, 1, 2}, {0, 2}]


def test_guesses_upon_guesses_are_undone_one_by_one() -> None:
    states = [step(fresh(), SEES)]
    for _ in range(2):
        states.append(step(states[-1], UNSURE))
    assert [int(carry.depth) for carry in states] == [0, 1, 2]
    assert sets(states[2]) == [{0}, {0}, {0}]
    first = step(states[2], UNSURE, conflict=True)
    assert sets(first) == [{0}, {0}, {1, 2}]
    assert first.struck[0].tolist() == [[0, 1, 1], [0, 2, 2], [2, 0, 0]]
    second = step(first, UNSURE, conflict=True)  # what the second guess excluded rested on the first
    assert sets(second) == [{0}, {1, 2}, {0, 1, 2}]
    assert second.struck[0].tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]


def test_without_guesses_a_conflict_begins_anew_with_more_care() -> None:
    once = step(fresh(), SEES)
    other = torch.tensor([[0.01, 0.98, 0.01], [0.4, 0.4, 0.2], [0.2, 0.7, 0.1]])  # cell 0 is 1, which is struck out
    anew = step(once, other)
    assert same(anew, fresh()._replace(restarts=torch.tensor([1]), state=BEGINNINGS[1:2]))
    assert same(step(once, SEES, conflict=True), anew)
    assert same(step(once, UNSURE, unsound=torch.tensor([True])), anew)
    assert sets(step(anew, SEES, search=False)) == [{0, 1, 2}] * 3  # 0.01 / 0.98 is more than a hundredth
    sure = torch.tensor([[0.998, 0.001, 0.001], [0.4, 0.4, 0.2], [0.2, 0.7, 0.1]])
    assert sets(step(anew, sure)) == [{0}, {0, 1, 2}, {0, 1, 2}]
    assert step(step(anew, sure), SEES, conflict=True).restarts.tolist() == [2]


def test_a_conflict_that_is_seen_before_anything_was_struck_out_counts_for_nothing() -> None:
    assert same(step(fresh(), SEES, conflict=True), step(fresh(), SEES))


def test_whoever_asks_on_does_not_believe_a_decided_state() -> None:
    decided = step(fresh(), torch.tensor([[1, 0.01, 0.01], [0.01, 1, 0.01], [0.01, 0.01, 1]]))
    assert sets(decided) == [{0}, {1}, {2}]
    assert same(step(decided, UNSURE), fresh()._replace(restarts=torch.tensor([1]), state=BEGINNINGS[1:2]))
    guessed = step(step(fresh(), SEES), torch.tensor([[1, 1, 1], [1, 0.01, 0.01], [0.2, 0.7, 0.1]]))
    last = step(guessed, UNSURE)
    assert sets(last) == [{0}, {0}, {0}]
    assert sets(step(last, UNSURE)) == [{0}, {0}, {1, 2}]  # not the guess of 0 in cell 2


def test_a_search_loses_patience() -> None:
    carry = fresh()
    for age in (1, 2):
        carry = step(carry, UNSURE, patience=3)
        assert (int(carry.age), int(carry.depth), int(carry.restarts)) == (age, age, 0)
    anew = step(carry, UNSURE, patience=3)
    assert same(anew, fresh()._replace(restarts=torch.tensor([1]), state=BEGINNINGS[1:2]))
    assert anew.age.tolist() == [0]
    assert same(step(carry, UNSURE, conflict=True, patience=3), anew)
    assert step(carry, UNSURE, patience=0).depth.tolist() == [3]
    chain = step(step(fresh(), SEES, search=False, patience=2), SEES, search=False, patience=2)
    assert chain.restarts.tolist() == [0]


def test_training_makes_no_guess_upon_an_unsound_state() -> None:
    guessed, unsound = step(step(fresh(), SEES), SEES), torch.tensor([True])
    assert sets(step(guessed, UNSURE, unsound=unsound)) == [{0}, {0, 1, 2}, {0, 2}]
    follows = torch.tensor([[1, 1, 1], [0.05, 0.05, 0.9], [1, 1, 1]])  # what follows from it is learned from
    assert same(step(guessed, follows, unsound=unsound), step(guessed, follows))


def test_rows_do_not_wait_for_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    carry = start(16, 3, 3, (2, 4), torch.float32, torch.device("cpu"))
    seen = set()
    for _ in range(12):
        p = torch.randn(16, 3, 3, generator=generator).softmax(-1)
        keep, conflict = p / p.amax(-1, keepdim=True), torch.rand(16, generator=generator) < 0.3
        together = deduce(carry, carry.struck == 0, p, keep, conflict, BEGINNINGS, 0.1, True, 5)
        for row in range(16):
            alone = LatticeCarry(*(part[row : row + 1] for part in carry))
            one = slice(row, row + 1)
            found = deduce(alone, alone.struck == 0, p[one], keep[one], conflict[one], BEGINNINGS, 0.1, True, 5)
            assert same(found, LatticeCarry(*(part[row : row + 1] for part in together)))
            assert torch.equal(found.age, together.age[one])
        carry = together
        assert (carry.struck == 0).any(-1).all()
        seen |= set(carry.depth.tolist())
    assert {0, 1, 2} <= seen
