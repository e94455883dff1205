"""What every registered halting policy keeps, and its string form."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from agents import Remembering, policy_samples, row_policies
from thinking import BUDGET, EVERY, ROWS, decisions, thinking
from torch import Tensor

from hrm_agent.cores import HRMCarry, SegmentOutput
from hrm_agent.cores.carry import chosen_rows
from hrm_agent.halting import POLICIES, Exploration, HaltContext, HaltingPolicy, HaltingSession, make, rule_of
from hrm_agent.halting.combinators import AllOf
from hrm_agent.halting.signals import SIGNALS, SignalInput

EVERY_POLICY = pytest.mark.parametrize("text", row_policies())
SWEEPS = {name: [f"{name}:{v}" if v else name for v in kind.sweep] for name, kind in POLICIES.items()}
SEGMENT = torch.arange(1, BUDGET + 1)[:, None]


def noting(
    signal: Callable[[SignalInput], Tensor], note: Callable[[SignalInput], None]
) -> Callable[[SignalInput], Tensor]:
    """The signal, and a note of every time it is computed."""

    def noted(seen: SignalInput) -> Tensor:
        note(seen)
        return signal(seen)

    return noted


@EVERY_POLICY
def test_the_samples_waver(text: str) -> None:
    halted = decisions(text)
    assert halted.any()
    assert not halted.all()


@EVERY_POLICY
def test_batched_is_one_by_one_in_any_order(text: str) -> None:
    together = decisions(text)
    alone = torch.cat([decisions(text, torch.tensor([row])) for row in range(ROWS)], dim=1)
    assert torch.equal(together, alone)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(5))
    assert torch.equal(decisions(text, order), together[:, order])


@EVERY_POLICY
def test_a_shrinking_batch_decides_alike(text: str) -> None:
    kept = torch.tensor([1, 4, 7, 10, 15])
    assert torch.equal(decisions(text, kept=kept)[1:, kept], decisions(text)[1:, kept])


@EVERY_POLICY
def test_never_before_its_minimum(text: str) -> None:
    assert torch.equal(decisions(f"min:3({text})"), decisions(text) & (SEGMENT >= 3))


def test_q_compare_has_a_minimum_of_its_own() -> None:
    assert torch.equal(decisions("q-compare:3"), decisions("min:3(q-compare)"))


@EVERY_POLICY
def test_always_by_its_maximum(text: str) -> None:
    assert torch.equal(decisions(f"max:3({text})"), decisions(text) | (SEGMENT >= 3))


@pytest.mark.parametrize("text", [text for text in row_policies() if "puzzle" not in make(text).needs])
def test_exploration_only_delays(text: str) -> None:
    policy = Exploration(make(text), 0.5, BUDGET, torch.Generator().manual_seed(0))
    explored = decisions(policy)
    assert torch.equal(explored, decisions(text) & (policy.min_segments <= SEGMENT))
    assert (policy.min_segments > 1).any()


@EVERY_POLICY
def test_memory_ends_with_the_episode(text: str) -> None:
    """Three episodes follow one another in each slot, of 1 to `BUDGET` segments, so that slots begin at any time."""
    thoughts = [thinking(seed) for seed in range(3)]
    alone = [decisions(text, seed=seed) for seed in range(3)]
    courses = [
        [(episode, m) for episode in range(3) for m in range(1 + (slot * (episode + 1)) % BUDGET)]
        for slot in range(ROWS)
    ]
    session = HaltingSession(make(text), BUDGET + 1, thoughts[0].task)
    for time in range(max(map(len, courses))):
        now = [(slot, *course[min(time, len(course) - 1)]) for slot, course in enumerate(courses)]
        outputs = [thoughts[e].outputs[m].rows(torch.tensor([slot])) for slot, e, m in now]
        befores = [chosen_rows(thoughts[e].before(m), torch.tensor([slot])) for slot, e, m in now]
        used = torch.tensor([m + 1 for _, _, m in now])
        inputs, solution = (
            torch.stack([getattr(thoughts[e], what)[slot] for slot, e, _ in now]) for what in ("inputs", "solution")
        )
        found = session.decide(_stack(outputs), _carry(befores), inputs, used == 1, used, solution).halt
        for slot, e, m in now:
            if time < len(courses[slot]):
                assert found[slot] == alone[e][m, slot], f"slot {slot}, episode {e}, segment {m + 1}"


def _stack(outputs: list[SegmentOutput]) -> SegmentOutput:
    values = (torch.cat(parts) for parts in list(zip(*outputs, strict=True))[1:-1])
    return SegmentOutput(_carry([output.carry for output in outputs]), *values)


def _carry(carries: list[HRMCarry]) -> HRMCarry:
    return HRMCarry(*(torch.cat(parts) for parts in zip(*carries, strict=True)))


def contexts(names: tuple[str, ...]) -> list[HaltContext]:
    """What a policy that needs these signals sees after every segment."""
    segments = thinking()
    return [
        HaltContext(
            torch.full((ROWS,), number + 1),
            BUDGET + 1,
            {name: SIGNALS[name](segments.signal_input(number)) for name in names},
        )
        for number in range(BUDGET)
    ]


def replayed(policy: HaltingPolicy, seen: list[HaltContext]) -> Tensor:
    found = []
    for context in seen:
        policy.reset(context.segment == 1)
        found.append(policy.decide(context))
    return torch.stack(found)


@EVERY_POLICY
def test_needs_are_enough_and_none_too_many(text: str) -> None:
    needs = make(text).needs
    assert len(set(needs)) == len(needs)
    assert torch.equal(replayed(make(text), contexts(needs)), decisions(text))
    for missing in needs:
        with pytest.raises(KeyError, match=missing):
            replayed(make(text), contexts(tuple(name for name in needs if name != missing)))


@EVERY_POLICY
def test_only_what_is_needed_is_computed_once_a_segment(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def note(name: str, _: SignalInput) -> None:
        calls.append(name)

    for name, signal in list(SIGNALS.items()):
        monkeypatch.setitem(SIGNALS, name, noting(signal, partial(note, name)))
    decisions(text)
    assert sorted(calls) == sorted(make(text).needs * BUDGET)


@pytest.mark.parametrize("text", [*policy_samples(), *(text for texts in SWEEPS.values() for text in texts)])
def test_made_by_string(text: str) -> None:
    policy = make(text)
    assert policy.name == text
    assert make(policy) is policy
    assert make(text) is not policy
    described = policy.describe()
    assert len(described.splitlines()) == 1
    for value in re.findall(r":([-\d.]+)", text):
        assert str(float(value)) in described or value in described


@pytest.mark.parametrize("name", POLICIES)
def test_a_sweep_tries_different_policies(name: str) -> None:
    assert len({make(text).describe() for text in SWEEPS[name]}) == len(SWEEPS[name])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "halting: expected one of q-compare, .*, found 'nope'"),
        ("q-treshold:0.9", r"halting: .*, found 'q-treshold' \(did you mean 'q-threshold'\?\)"),
        ("", "halting: expected one of q-compare, .*, found ''"),
        (" q-compare", "expected no space at the beginning or the end"),
        ("kl:0.1 ", "expected no space at the beginning or the end"),
        ("q-compare:0", "expected at least 1 segment, found 0"),
        ("q-compare:1:2", r"expected q-compare\[:min_segments\], found 2 parameters"),
        ("fixed:2:3", "expected fixed:segments, found 2 parameters"),
        ("fixed", "expected fixed:segments, found 0 parameters"),
        ("fixed:", "segments: expected an integer of at most .*, found ''"),
        ("fixed:0", "expected at least 1 segment, found 0"),
        ("fixed:1.5", "segments: expected an integer of at most .*, found '1.5'"),
        ("fixed:3000000000", "segments: expected an integer of at most 2147483647, found '3000000000'"),
        ("random:0.5:-3000000000", "seed: expected an integer of at most"),
        ("fixed(2", "fixed takes no policies"),
        ("fixed(2)", "fixed takes no policies"),
        ("fixed:2(kl)", "fixed takes no policies"),
        ("q-threshold:1", "expected a threshold between 0 and 1, found 1.0"),
        ("q-threshold:nan", "expected a threshold between 0 and 1, found nan"),
        ("q-threshold:x", "threshold: expected a number, found 'x'"),
        ("q-margin:inf", "expected a finite margin, found inf"),
        ("cumulative:1", "expected ε from 0 to below 1, found 1.0"),
        ("cdf:0", "expected a probability between 0 and 1, found 0.0"),
        ("patience:0", "expected at least 1 segment, found 0"),
        *((f"{name}:nan", "expected a finite threshold, found nan") for name in ("residual", "cosine", "kl", "margin")),
        ("verifier:0.5", "expected verifier, found 1 parameter"),
        ("oracle:0.5", "expected oracle, found 1 parameter"),
        ("random", r"expected random:probability\[:seed\], found 0 parameters"),
        ("random:1.5", "expected a probability from 0 to 1, found 1.5"),
        ("random:0.5:x", "seed: expected an integer of at most .*, found 'x'"),
        ("sb3", "expected sb3:path, found 0 parameters"),
        ("any", r"expected any\(policy, ...\), found no policy"),
        ("any()", r"expected any\(policy, ...\), found no policy"),
        ("all( )", r"expected all\(policy, ...\), found no policy"),
        ("max:2()", r"expected max:segments\(policy, ...\), found no policy"),
        ("halt-first:2()", r"expected halt-first:views\[:noise\].*\[\(policy, ...\)\], found no policy"),
        ("any(kl,)", r"expected any\(policy, ...\), found an empty place in the list"),
        ("any(,kl)", "found an empty place in the list"),
        ("best-q:2(kl,,fixed:2)", "found an empty place in the list"),
        ("any:2(fixed:2)", r"expected any\(policy, ...\), found 1 parameter"),
        ("any(fixed:2", r"expected a closing parenthesis at the end of 'any\(fixed:2'"),
        ("min:2(kl", r"expected a closing parenthesis at the end of 'min:2\(kl'"),
        ("min(fixed:2)", r"expected min:segments\(policy, ...\), found 0 parameters"),
        ("min:0(fixed:2)", "expected at least 1 segment, found 0"),
        ("max:x(fixed:2)", "segments: expected an integer of at most .*, found 'x'"),
        ("all(fixed:2,nope)", r"halting 'all\(fixed:2,nope\)': expected one of q-compare, .*, found 'nope'"),
        (
            "min:2(any(q-threshold:a))",
            r"halting 'min:2\(any\(q-threshold:a\)\)': threshold: expected a number, found 'a'",
        ),
        ("any(fixed:2))", "fixed takes no policies|segments: expected an integer"),
    ],
)
def test_bad_strings_are_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make(text)
    assert str(caught.value).startswith("halting")
    assert text.partition(":0.9")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("halting", [None, 3, ["kl"], b"kl"])
def test_what_is_no_policy_is_one_clear_error(halting: Any) -> None:
    with pytest.raises(ValueError, match=r"^halting: expected a policy or its string form, found [^\n]*$"):
        make(halting)


class Patient(HaltingPolicy):
    """A policy of one's own, to be found by module and name."""

    rule, parameters = "m ≥ {bar}", (float,)

    def __init__(self, bar: float = 2.0) -> None:
        self.bar = bar

    def decide(self, context: HaltContext) -> Tensor:
        return context.segment >= self.bar


OWN = f"{__name__}:Patient"


@pytest.mark.parametrize(
    ("text", "described"),
    [
        (OWN, "m ≥ 2.0"),
        (f"{OWN}:3", "m ≥ 3.0"),
        (f"min:4({OWN}:3)", "(m ≥ 3.0) and m ≥ 4"),
        (f"any(kl, {OWN}:3)", "any of (KL(p^{m−1} ‖ p^m) < 0.001, m ≥ 3.0)"),
    ],
)
def test_a_policy_of_ones_own_by_module_and_class(text: str, described: str) -> None:
    policy = make(text)
    assert (policy.describe(), policy.name) == (described, text)
    assert rule_of(text) == (OWN if text.startswith(OWN) else text.partition("(")[0].partition(":")[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_such_module_of_ours:Patient", "or module:Class, found no module 'no_such_module_of_ours'"),
        ("hrm_agent.no_such:Patient", "or module:Class, found no module 'hrm_agent.no_such'"),
        ("hrm_agent.halting:Patient", "expected Patient of hrm_agent.halting to be a HaltingPolicy, found None"),
        ("hrm_agent.halting:HaltingPolicy", "expected HaltingPolicy of hrm_agent.halting to be a HaltingPolicy"),
        ("hrm_agent.halting:make", "expected make of hrm_agent.halting to be a HaltingPolicy, found <function"),
        (f"{OWN}:x", "bar: expected a number, found 'x'"),
        (f"{OWN}:1:2", r":Patient\[:bar\], found 2 parameters"),
    ],
)
def test_what_is_no_policy_of_ones_own_is_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make(text)
    assert str(caught.value).startswith("halting")


def test_a_fault_within_ones_own_module_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faulty_policies.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_nobody_has"):
        make("faulty_policies:Patient")


@pytest.mark.parametrize(
    "text", ["sb3:/dev/zero", f"{OWN}:3", "any(kl,sb3:x.zip)", f"best-q:2(min:2({OWN}))", "os:exit"]
)
def test_a_string_out_of_a_file_opens_no_file_and_imports_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrm_agent.halting.registry.import_module", pytest.fail)
    monkeypatch.setattr("hrm_agent.halting.learned.read_network", pytest.fail)
    with pytest.raises(
        ValueError, match=r"^halting '.*': expected a policy that (names no file|imports no module)"
    ) as e:
        make(text, trusted=False)
    assert "halting=" in str(e.value)
    assert make("min:2(kl:0.1)", trusted=False).name == "min:2(kl:0.1)"


def test_a_session_gives_the_policys_own_decision_at_the_budget_too() -> None:
    segments, segment = thinking(), EVERY % 5 + 1
    for text, first in (("fixed:9", 9), ("fixed:2", 2)):
        session = HaltingSession(make(text), max_segments=3)
        found = session.decide(segments.outputs[0], segments.before(0), segments.inputs, segment == 1, segment)
        assert torch.equal(found.halt, segment >= first)


class WithoutReset(Remembering):
    """Forgets to begin its memory."""

    def reset(self, mask: Tensor) -> None:
        pass


class WithoutKeep(Remembering):
    """Forgets to follow the batch."""

    def reset(self, mask: Tensor) -> None:
        self.before = torch.where(mask, -torch.inf, self.before if len(self.before) else torch.zeros(len(mask)))

    def keep(self, rows: Tensor) -> None:
        pass


class Undecided(HaltingPolicy):
    """Says how much it would like to halt, which is no decision."""

    needs = ("q_halt",)

    def decide(self, context: HaltContext) -> Tensor:
        return context["q_halt"]


class Confused(Undecided):
    """Has a fault of its own, and a table that is no memory of rows."""

    def __init__(self) -> None:
        self.bars = torch.zeros(5)

    def decide(self, context: HaltContext) -> Tensor:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (WithoutReset(), f"WithoutReset: expected {ROWS} rows of memory in 'before', found 0; reset"),
        (WithoutKeep(), f"WithoutKeep: expected 3 rows of memory in 'before', found {ROWS}; reset"),
        (
            AllOf([make("fixed:9"), WithoutKeep()]),
            f"WithoutKeep: expected 3 rows of memory in 'before', found {ROWS}",
        ),
        (Undecided(), rf"Undecided: expected decisions bool \({ROWS},\), found float32 \({ROWS},\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_policy_that_does_not_follow_the_batch_is_named(policy: HaltingPolicy, message: str) -> None:
    with pytest.raises(ValueError, match=f"^halting policy {message}"):
        decisions(policy, kept=EVERY[:3])


def test_a_fault_of_a_policys_own_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        decisions(Confused())


def test_a_session_shows_the_segment_before_within_an_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SignalInput] = []
    monkeypatch.setitem(SIGNALS, "q_halt", noting(SIGNALS["q_halt"], seen.append))
    segments, session = thinking(), HaltingSession(make("q-threshold"), BUDGET)
    start = EVERY % 2 == 0  # every other row begins a new episode at the second segment
    session.decide(segments.outputs[0], segments.before(0), segments.inputs, EVERY >= 0, EVERY * 0 + 1)
    session.decide(segments.outputs[1], segments.before(1), segments.inputs, start, torch.where(start, 1, 2))
    first, second = seen
    assert not first.previous_logits.any()
    assert torch.equal(second.previous_logits[~start], segments.outputs[0].logits[~start])
    assert not second.previous_logits[start].any()
    assert second.output is segments.outputs[1]
    assert torch.equal(second.before.z_h, segments.outputs[0].carry.z_h)
