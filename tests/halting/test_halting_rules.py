"""What each halting rule decides on signals made by hand, at its threshold, too."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hrm_agent.halting import POLICIES, HaltContext, make
from hrm_agent.halting.rules import Random
from hrm_agent.halting.threshold_rules import Above, Below

LOGIT_09 = math.log(9)  # the logit of 0.9


def decide(text: str, segment: list[int], **signals: list[float]) -> list[bool]:
    """Decisions on rows that begin with this segment."""
    policy, used = make(text), torch.tensor(segment)
    policy.reset(torch.ones_like(used, dtype=torch.bool))
    halt = policy.decide(HaltContext(used, 9, {name: torch.tensor(values) for name, values in signals.items()}))
    assert halt.dtype == torch.bool
    found: list[bool] = halt.tolist()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q-compare", [True, False, False, False, True]),  # equal values go on
        ("q-compare:1", [True, False, False, False, True]),
        ("q-compare:2", [False, False, False, False, True]),
        ("q-threshold", [True, True, False, True, False]),  # Q_halt = 0 is a probability of 0.5
        ("q-threshold:0.5", [True, True, False, True, False]),
        ("q-threshold:0.89", [True, False, False, False, False]),
        ("q-threshold:0.25", [True, True, True, True, False]),
        ("q-margin", [True, True, False, False, True]),
        ("q-margin:0.25", [False, False, False, False, True]),
        ("q-margin:-0.5", [True, True, False, True, True]),
        ("fixed:1", [True, True, True, True, True]),
        ("fixed:3", [False, False, True, True, True]),
        ("random:0", [False, False, False, False, False]),
        ("random:1", [True, True, True, True, True]),
        ("cumulative:0.5", [True, True, False, True, False]),
        ("cdf:0.5", [True, True, False, True, False]),
    ],
)
def test_rules_of_segments_and_q_values(text: str, expected: list[bool]) -> None:
    seen: dict[str, Any] = {
        "q_halt": [LOGIT_09, 0.0, -1.0, 1.0, -2.0],
        "q_continue": [2.0, 0.0, 1.0, 1.5, -3.0],
        "puzzle": [0.0, 2.0**24 - 1, 7.0, 8.0, 9.0],
    }
    assert decide(text, segment=[1, 2, 3, 4, 5], **seen) == expected


@pytest.mark.parametrize("value", POLICIES["q-threshold"].sweep)
def test_a_probability_at_its_threshold_halts(value: str) -> None:
    at = torch.tensor(math.log(float(value) / (1 - float(value))))
    below = torch.nextafter(at, torch.tensor(-math.inf))
    assert decide(f"q-threshold:{value}", [1, 1], q_halt=[float(at), float(below)]) == [True, False]


THRESHOLDS = [
    (name, kind, value) for name, kind in POLICIES.items() if issubclass(kind, Below) for value in (*kind.sweep, "")
]


@pytest.mark.parametrize(("name", "kind", "value"), THRESHOLDS)
def test_only_beyond_a_threshold(name: str, kind: type[Below], value: str) -> None:
    at = torch.tensor(float(value) if value else kind.default)
    above, below = (torch.nextafter(at, torch.tensor(limit)) for limit in (math.inf, -math.inf))
    expected = [False, True, False] if issubclass(kind, Above) else [False, False, True]
    signal = {kind.signal: [float(at), float(above), float(below)]}
    assert decide(f"{name}:{value}" if value else name, [1, 1, 1], **signal) == expected


@pytest.mark.parametrize("name", ["verifier", "oracle"])
def test_a_right_answer_halts(name: str) -> None:
    assert decide(name, [1, 1], **{make(name).needs[0]: [1.0, 0.0]}) == [True, False]


def course(text: str, signal: str, values: list[list[float]], start: list[list[int]] | None = None) -> list[list[int]]:
    """Decisions ``(segments, rows)`` on a signal ``(segments, rows)``; ``start`` tells which rows begin, if not all."""
    policy, found = make(text), []
    begin = torch.tensor(start or [[number == 0] * len(values[0]) for number in range(len(values))]).bool()
    used = torch.zeros(len(values[0]), dtype=torch.long)
    for mask, row in zip(begin, values, strict=True):
        used = torch.where(mask, 0, used) + 1
        policy.reset(mask)
        found.append(policy.decide(HaltContext(used, 9, {signal: torch.tensor(row)})).int().tolist())
    return found


HALF, LOW = 0.0, -math.log(3)  # logits of 0.5 and 0.25


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # sums: 0.5 1.0 1.5, and 0.25 0.5 1.0
        ("cumulative:0.001", [[0, 0], [1, 0], [1, 1]]),
        ("cumulative:0.1", [[0, 0], [1, 0], [1, 1]]),
        ("cumulative:0.45", [[0, 0], [1, 0], [1, 1]]),
        ("cumulative:0.55", [[1, 0], [1, 1], [1, 1]]),
        # halted by then: 1/2 3/4 7/8, and 1/4 7/16 23/32
        ("cdf:0.2", [[1, 1], [1, 1], [1, 1]]),
        ("cdf:0.5", [[1, 0], [1, 0], [1, 1]]),
        ("cdf:0.75", [[0, 0], [1, 0], [1, 0]]),
        ("cdf:0.71", [[0, 0], [1, 0], [1, 1]]),
        ("cdf:0.875", [[0, 0], [0, 0], [1, 0]]),
        ("cdf:0.88", [[0, 0], [0, 0], [0, 0]]),
    ],
)
def test_probabilities_add_up(text: str, expected: list[list[int]]) -> None:
    assert course(text, "q_halt", [[HALF, LOW], [HALF, LOW], [HALF, HALF]]) == expected


@pytest.mark.parametrize(("text", "expected"), [("cumulative:0", [0, 1, 0, 1]), ("cdf:0.75", [0, 1, 0, 1])])
def test_sums_begin_anew_with_an_episode(text: str, expected: list[int]) -> None:
    found = course(text, "q_halt", [[HALF]] * 4, start=[[1], [0], [1], [0]])
    assert [row[0] for row in found] == expected


def test_confidence_is_not_rounded_to_certainty() -> None:
    assert course("cdf:0.999999999", "q_halt", [[18.0], [18.0]]) == [[0], [1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patience", [[0, 0], [1, 0], [1, 1], [0, 1], [1, 1], [1, 1]]),
        ("patience:2", [[0, 0], [0, 0], [1, 0], [0, 1], [0, 1], [1, 1]]),
        ("patience:4", [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 1]]),
    ],
)
def test_patience_counts_segments_without_a_change(text: str, expected: list[list[int]]) -> None:
    changed = [[1.0, 1.0], [0.0, 0.01], [0.0, 0.0], [0.2, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert course(text, "changed", changed) == expected


ROWS = 20_000


def draws(text: str, segment: int, probability: float) -> Tensor:
    """Whether each of many puzzles halts: puzzle n has the hash n."""
    q_halt = torch.full((ROWS,), math.log(probability / (1 - probability)))
    signals = {"puzzle": torch.arange(ROWS).float(), "q_halt": q_halt}
    return make(text).decide(HaltContext(torch.full((ROWS,), segment), 9, signals))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("text", ["random:{}:{}", "ponder:{1}"])
def test_lots_have_their_rate_whatever_the_segment_and_seed(text: str, probability: float) -> None:
    cases = [(seed, segment) for seed in (0, 1) for segment in (1, 2, 3)]
    drawn = torch.stack([draws(text.format(probability, seed), m, probability) for seed, m in cases]).double()
    deviation = math.sqrt(probability * (1 - probability) / ROWS)
    assert (drawn.mean(1) - probability).abs().max() < 4 * deviation
    # draws of other segments and seeds have nothing to do with one another
    assert (torch.corrcoef(drawn) - torch.eye(len(cases))).abs().max() < 4 / math.sqrt(ROWS)


def test_ponder_follows_each_puzzles_own_probability() -> None:
    q_halt = torch.linspace(-4, 4, ROWS)
    seen = HaltContext(torch.ones(ROWS).long(), 9, {"puzzle": torch.arange(ROWS).float(), "q_halt": q_halt})
    halted, expected = make("ponder").decide(seen).double(), q_halt.double().sigmoid()
    for part, rate in zip(halted.chunk(8), expected.chunk(8), strict=True):
        assert abs(part.mean() - rate.mean()) < 4 * (rate * (1 - rate)).mean().sqrt() / math.sqrt(len(part))


def test_a_lot_is_the_puzzles_own_and_not_its_places() -> None:
    puzzles = torch.tensor([5.0, 9.0, 2.0**24 - 1, 0.0])
    policy = Random(0.5, seed=3)
    for segment in range(1, 9):
        used = torch.full((4,), segment)
        there = policy.decide(HaltContext(used, 9, {"puzzle": puzzles}))
        back = policy.decide(HaltContext(used, 9, {"puzzle": puzzles.flip(0)}))
        assert torch.equal(there, back.flip(0))
