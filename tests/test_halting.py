"""Halting policies: what every rule keeps, what each decides, and the session that applies them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hrm_agent.cores import Carry, SegmentOutput
from hrm_agent.halting import POLICIES, HaltContext, HaltingPolicy, HaltingSession, make
from hrm_agent.halting.rules import Oracle

BUDGET, ROWS, LENGTH, VOCAB = 4, 12, 5, 4
SAMPLES = {float: "0.5", int: "2"}
EVERY_POLICY = pytest.mark.parametrize(
    "text", [":".join([name, *(SAMPLES[kind] for kind in types)]) for name, (_, types) in POLICIES.items()]
)


def segments(seed: int = 0) -> tuple[list[SegmentOutput], Tensor, Tensor]:
    """Outputs of `BUDGET` segments for all rows, inputs and solutions ``(B, L)``; some answers are right."""
    generator = torch.Generator().manual_seed(seed)
    inputs, solution = torch.randint(1, VOCAB, (2, ROWS, LENGTH), generator=generator)
    outputs = []
    for segment in range(BUDGET):
        state = torch.randn(ROWS, LENGTH, 3, generator=generator)
        logits = torch.randn(ROWS, LENGTH, VOCAB, generator=generator)
        rows = torch.arange(ROWS) % BUDGET == segment
        logits[rows] += 10 * torch.nn.functional.one_hot(solution[rows], VOCAB)
        q_halt, q_continue = torch.randn(2, ROWS, generator=generator)
        outputs.append(SegmentOutput(Carry(state, state), logits, q_halt, q_continue, state[:, 0]))
    return outputs, inputs, solution


def rows_of(output: SegmentOutput, rows: Tensor) -> SegmentOutput:
    return SegmentOutput(output.carry.rows(rows), *(value[rows] for value in output[1:]))


def decisions(text: str, rows: Tensor, drop_after_first: Tensor | None = None) -> list[Tensor]:
    """What a fresh policy decides for the given rows at every segment; the batch may shrink after the first."""
    outputs, inputs, solution = segments()
    session = HaltingSession(make(text), BUDGET)
    found = []
    for number, whole in enumerate(outputs):
        if number == 1 and drop_after_first is not None:
            session.keep(drop_after_first)
            rows = rows[drop_after_first]
        output, used = rows_of(whole, rows), torch.full((len(rows),), number + 1)
        found.append(session.decide(output, output.carry, inputs[rows], used == 1, used, solution[rows]))
    return found


@EVERY_POLICY
def test_made_by_string(text: str) -> None:
    policy = make(text)
    assert policy.name == text
    assert make(policy) is policy
    assert make(text) is not policy


@EVERY_POLICY
def test_batched_is_one_by_one_in_any_order(text: str) -> None:
    together = torch.stack(decisions(text, torch.arange(ROWS)))
    assert together.shape == (BUDGET, ROWS)
    assert together.dtype == torch.bool
    alone = [torch.stack(decisions(text, torch.tensor([row])))[:, 0] for row in range(ROWS)]
    assert torch.equal(together, torch.stack(alone, dim=1))
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(5))
    assert torch.equal(torch.stack(decisions(text, order)), together[:, order])


@EVERY_POLICY
def test_a_shrinking_batch_decides_alike(text: str) -> None:
    whole, kept = decisions(text, torch.arange(ROWS)), torch.tensor([1, 4, 7, 10])
    shrunk = decisions(text, torch.arange(ROWS), drop_after_first=kept)
    assert all(torch.equal(few, every[kept]) for few, every in zip(shrunk[1:], whole[1:], strict=True))


@EVERY_POLICY
def test_every_row_halts_at_the_budget(text: str) -> None:
    assert decisions(text, torch.arange(ROWS))[-1].all()


def context(q_halt: list[float], q_continue: list[float], segment: list[int], solution: bool = True) -> HaltContext:
    """Rows whose answers are 1, 2, ... where all solutions are 1."""
    rows = len(segment)
    logits = torch.nn.functional.one_hot(torch.arange(rows) + 1, rows + 1).float().unsqueeze(1)
    carry = Carry(torch.zeros(rows, 1, 1), torch.zeros(rows, 1, 1))
    q = torch.tensor(q_halt), torch.tensor(q_continue)
    ones = torch.ones(rows, 1, dtype=torch.long)
    known = ones if solution else None
    return HaltContext(torch.tensor(segment), 9, *q, logits, torch.zeros_like(logits), carry, carry, ones, known)


LOGIT_09 = math.log(9)  # the logit of 0.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q-compare", [True, False, False, False]),
        ("q-threshold", [True, True, False, True]),
        ("q-threshold:0.5", [True, True, False, True]),
        ("q-threshold:0.89", [True, False, False, False]),
        ("fixed:1", [True, True, True, True]),
        ("fixed:3", [False, False, True, True]),
        ("random:0", [False, False, False, False]),
        ("random:1", [True, True, True, True]),
        ("oracle", [True, False, False, False]),
    ],
)
def test_the_decisions_of_each_rule(text: str, expected: list[bool]) -> None:
    seen = context(q_halt=[LOGIT_09, 0.0, -1.0, 1.0], q_continue=[2.0, 0.0, 1.0, 1.5], segment=[1, 2, 3, 4])
    assert make(text).decide(seen).tolist() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "expected one of q-compare, .* found 'nope'"),
        ("", "expected one of q-compare, .* found ''"),
        ("q-compare:1", "takes 0 parameter.s., found 1"),
        ("fixed:2:3", "takes 1 parameter.s., found 2"),
        ("fixed", "segments"),
        ("fixed:0", "expected at least 1 segment, found 0"),
        ("fixed:1.5", "1.5"),
        ("q-threshold:1", "expected a threshold between 0 and 1, found 1.0"),
        ("q-threshold:nan", "expected a threshold between 0 and 1, found nan"),
        ("q-threshold:x", "'x'"),
        ("random", "probability"),
        ("random:1.5", "expected a probability from 0 to 1, found 1.5"),
        ("random:0.5:x", "'x'"),
    ],
)
def test_bad_strings_are_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make(text)
    assert str(caught.value).startswith("halting")
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_oracle_needs_the_solution() -> None:
    with pytest.raises(ValueError, match='halting "oracle" needs the solution'):
        Oracle().decide(context([0.0], [0.0], [1], solution=False))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_random_halts_at_its_rate_whatever_the_segment_and_seed(probability: float) -> None:
    rows = 20_000
    inputs = torch.randint(1, 10, (rows, 16), generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(rows, 1, 1)
    drawn = {}
    for seed in (0, 1):
        policy = make(f"random:{probability}:{seed}")
        for segment in (1, 2, 3):
            used = torch.full((rows,), segment)
            carry = Carry(nothing, nothing)
            seen = HaltContext(used, 9, nothing, nothing, nothing, nothing, carry, carry, inputs)
            drawn[seed, segment] = policy.decide(seen).double()
    deviation = math.sqrt(probability * (1 - probability) / rows)
    for case, halted in drawn.items():
        assert abs(float(halted.mean()) - probability) < 4 * deviation, case
    cases = list(drawn)
    for number, first in enumerate(cases):  # draws of other segments and seeds have nothing to do with one another
        for second in cases[:number]:
            correlation = torch.corrcoef(torch.stack([drawn[first], drawn[second]]))[0, 1]
            assert abs(float(correlation)) < 4 / math.sqrt(rows), (first, second)


class Watching(HaltingPolicy):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[HaltContext] = []
        self.begun: list[Tensor] = []

    def decide(self, context: HaltContext) -> Tensor:
        self.seen.append(context)
        return torch.zeros_like(context.segment, dtype=torch.bool)

    def reset(self, mask: Tensor) -> None:
        self.begun.append(mask)


def test_a_session_shows_the_segment_before_within_an_episode() -> None:
    outputs, inputs, solution = segments()
    policy = Watching()
    session = HaltingSession(policy, BUDGET)
    start = torch.zeros(ROWS, dtype=torch.bool)
    start[::2] = True  # every other row begins a new episode at the second segment
    used = torch.where(start, 1, 2)
    session.decide(outputs[0], outputs[3].carry, inputs, torch.ones_like(start), torch.ones_like(used), solution)
    session.decide(outputs[1], outputs[0].carry, inputs, start, used, solution)
    first, second = policy.seen
    assert not first.previous_logits.any()
    assert torch.equal(second.previous_logits[~start], outputs[0].logits[~start])
    assert not second.previous_logits[start].any()
    assert second.carry is outputs[1].carry
    assert second.previous_carry is outputs[0].carry
    assert second.max_segments == BUDGET
    assert torch.equal(torch.stack(policy.begun), torch.stack([torch.ones_like(start), start]))
