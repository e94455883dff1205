"""Replay decides as the live agent does, for every policy, to the last bit; and by hand on traces made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents import Remembering, every_puzzle_once, hrm_core, policy_samples, row_policies, wavering_agent

from hrm_agent import HRM
from hrm_agent.halting import HaltContext, HaltingPolicy, make
from hrm_agent.halting.signals import SIGNALS
from hrm_agent.traces.record import TraceHeader, Traces, record
from hrm_agent.traces.replay import Replay, replay, why_not

PUZZLES, BUDGET, SLOTS = 1000, 16, 250
OTHER_PARAMETERS = ["q-compare:3", "kl:0.1", "patience"]
COMBINED = ["any(q-compare:4,min:3(patience:1))", "all(q-threshold:0.4,patience)", "max:5(all(patience:1,random:0.5))"]
RULES = [
    *("halt-first:1", "halt-first:2{noise}", "halt-first:3{noise}(patience)", "best-q:3{noise}"),
    *(
        "best-q:2{noise}(cdf:0.6)",
        "best-residual:1",
        "best-residual:3{noise}",
        "best-residual:3{noise}(q-threshold:0.6)",
    ),
]
NOISES = [(0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.5, 0.5, 0.5), (0.0, 0.0, 1.0)]
ABSTAINING = ["abstain(q-compare,q-threshold:0.6)", "min:2(abstain(any(patience,kl:0.1),all(patience,verifier)))"]
ABSTAINING_VIEWS = [
    ("halt-first:3:0.5(patience)", "q-threshold:0.7"),
    ("best-q:3:0.5(cdf:0.6)", "patience"),
    ("best-q:2:0.5", "all(patience:1,q-threshold:0.5)"),
]


@pytest.fixture(scope="module")
def model() -> HRM:
    return wavering_agent()


def puzzles(num_envs: int = SLOTS, **options: Any) -> Any:
    return every_puzzle_once(num_envs, **{"num_puzzles": PUZZLES, "max_segments": BUDGET, "array": "torch", **options})


@pytest.fixture(scope="module")
def traces(model: HRM, tmp_path_factory: pytest.TempPathFactory) -> Traces:
    return record(model.policy.acting_core, puzzles(), tmp_path_factory.mktemp("recorded") / "one")


@pytest.fixture(scope="module")
def recordings(model: HRM, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[float, ...], Traces]:
    """Three views of fewer puzzles, for each noise."""
    core, env, folder = model.policy.acting_core, puzzles(40, num_puzzles=100), tmp_path_factory.mktemp("recorded")
    return {
        (start, later, random): record(
            core,
            env,
            folder / f"{start}-{later}-{random}",
            views=3,
            noise=start,
            segment_noise=later,
            random_start=random,
        )
        for start, later, random in NOISES
    }


@pytest.fixture(scope="module")
def views(recordings: dict[tuple[float, ...], Traces]) -> Traces:
    """Three views with noise on the start state."""
    return recordings[0.5, 0.0, 0.0]


def assert_alike(found: Replay, live: Any) -> None:
    """The same decisions; the network's own rounding in small batches (docs/traces.md) may show in the logit alone."""
    for name in ("segments", "right", "abstained", "exact", "work"):
        np.testing.assert_array_equal(getattr(found, name), getattr(live, name), err_msg=name)
    np.testing.assert_allclose(found.q_halt, live.q_halt, rtol=1e-5, atol=1e-5)
    assert (found.q_halt == live.q_halt).mean() > 0.8


TEXTS = dict.fromkeys([*row_policies(), *OTHER_PARAMETERS, *COMBINED, *ABSTAINING])
ONE_VIEW: list[str | HaltingPolicy] = [*TEXTS, Remembering()]


@pytest.mark.parametrize("policy", ONE_VIEW, ids=lambda policy: getattr(policy, "name", policy))
def test_replay_is_live(model: HRM, traces: Traces, policy: str | HaltingPolicy) -> None:
    found = replay(traces, policy)
    assert_alike(found, model.evaluate(puzzles(), policy))
    assert found.segments.dtype == found.work.dtype == np.int64
    assert found.q_halt.dtype == np.float32


@pytest.mark.parametrize("policy", ["entropy:0.5", "margin:0.2", "kl:0.01"])
def test_probabilities_of_stablemax_are_recorded_and_seen_alike(policy: str, tmp_path: Path) -> None:
    model = wavering_agent(token_loss="stablemax")
    found = record(model.policy.acting_core, puzzles(40, num_puzzles=100), tmp_path / "traces")
    assert found.header.probabilities == "stablemax"
    assert_alike(replay(found, policy), model.evaluate(puzzles(16, num_puzzles=100), policy))
    core = model.policy.acting_core
    core.probabilities = "softmax"
    other = record(core, puzzles(40, num_puzzles=100), tmp_path / "other")
    name = policy.partition(":")[0]
    assert np.abs(other.signals[name] - found.signals[name]).max() > 0.01
    with pytest.raises(ValueError, match="expected a recording of probabilities='softmax', found one of"):
        record(core, puzzles(40, num_puzzles=100), tmp_path / "traces")


SEVERAL = [rule.format(noise=":{:g}:{:g}:{:g}".format(*noise)) for noise in NOISES for rule in RULES]


@pytest.mark.parametrize("policy", [*(text for text in policy_samples() if text not in row_policies()), *SEVERAL])
def test_replay_of_several_views_is_live(model: HRM, recordings: dict[tuple[float, ...], Traces], policy: str) -> None:
    recorded = next(each for each in recordings.values() if not why_not(make(policy), each.header))
    assert_alike(replay(recorded, policy), model.evaluate(puzzles(16, num_puzzles=100), policy))


def test_every_noise_leads_to_other_answers(recordings: dict[tuple[float, ...], Traces]) -> None:
    silent, *noisy = (recordings[noise] for noise in NOISES)
    for each in noisy:
        np.testing.assert_array_equal(each.signals["q_halt"][:, 0], silent.signals["q_halt"][:, 0])
        assert (each.answers[:, 1:] != silent.answers[:, 1:]).any()
        assert (each.signals["residual_h"][:, 1:] != silent.signals["residual_h"][:, 1:]).mean() > 0.9


@pytest.mark.parametrize(("halts", "trusts"), ABSTAINING_VIEWS)
def test_an_abstention_by_several_views_is_live(model: HRM, views: Traces, halts: str, trusts: str) -> None:
    found, answering = replay(views, f"abstain({halts},{trusts})"), replay(views, halts)
    assert_alike(found, model.evaluate(puzzles(16, num_puzzles=100), f"abstain({halts},{trusts})"))
    assert 0 < found.abstained.mean() < 1
    for name in ("segments", "right", "q_halt", "work"):
        np.testing.assert_array_equal(getattr(found, name), getattr(answering, name), err_msg=name)


@pytest.mark.parametrize("policy", ["q-compare", "patience:2", "random:0.2", "best-q:3:0.5(q-threshold:0.6)"])
@pytest.mark.parametrize("budget", [1, 5])
def test_a_smaller_budget(model: HRM, views: Traces, policy: str, budget: int) -> None:
    live = model.evaluate(puzzles(16, num_puzzles=100, max_segments=budget), policy)
    assert_alike(replay(views, policy, budget), live)


def test_double_precision_is_live_to_the_last_bit(model: HRM, tmp_path_factory: pytest.TempPathFactory) -> None:
    core = hrm_core(model.policy.acting_core)
    core.activation_dtype = torch.float64
    try:
        exact = record(core, puzzles(40, num_puzzles=100), tmp_path_factory.mktemp("recorded") / "exact")
        for policy in ("q-compare", "patience"):
            found, live = replay(exact, policy), model.evaluate(puzzles(7, num_puzzles=100), policy)
            for name in ("segments", "exact", "q_halt", "work"):
                np.testing.assert_array_equal(getattr(found, name), getattr(live, name), err_msg=name)
    finally:
        core.activation_dtype = torch.float32


def made_by_hand(**signals: list[list[list[float]]]) -> Traces:
    """Traces of signals ``(N, V, M)``."""
    arrays = {name: np.array(values, np.float32) for name, values in signals.items()}
    count, views, budget = arrays["q_halt"].shape
    header = TraceHeader("copy", 1, 2, budget, views, 0.0, dict.fromkeys(arrays, 1), "", "")
    zeros = np.zeros(count)
    inputs, answers = np.zeros((count, 1), np.uint8), np.zeros((count, views, budget, 1), np.uint8)
    return Traces(header, zeros.astype(np.int64), zeros.astype(np.int32), inputs, answers, arrays)


BY_HAND = made_by_hand(
    q_halt=[
        [[-1, 2, 3], [-2, -2, 1]],
        [[-1, -1, -1], [4, 5, 6]],
        [[-3, -2, -2], [-3, -1, -3]],
        [[-1, -1, 2], [1, 9, 9]],
    ],
    correct=[[[0, 1, 0], [0, 0, 1]], [[1, 1, 1], [0, 1, 1]], [[0, 0, 1], [0, 0, 0]], [[0, 0, 1], [0, 1, 1]]],
)


@pytest.mark.parametrize(
    ("policy", "segments", "exact", "q_halt", "by_choice", "work"),
    [
        ("q-threshold", [2, 3, 3, 3], [1, 1, 1, 1], [2, -1, -2, 2], [1, 0, 0, 1], [2, 3, 3, 3]),
        ("halt-first:2", [2, 1, 3, 1], [1, 0, 1, 0], [2, 4, -2, 1], [1, 1, 0, 1], [4, 2, 6, 2]),
        # a view that has halted keeps its answer and computes no more; without a halt, all think up to the budget
        ("best-q:2(q-threshold:0.5)", [3, 3, 3, 3], [1, 0, 1, 1], [2, 4, -2, 2], [1, 0, 0, 1], [5, 4, 6, 4]),
        ("best-q:2", [3, 3, 3, 3], [0, 1, 1, 1], [3, 6, -2, 9], [0, 0, 0, 0], [6, 6, 6, 6]),
        ("oracle", [2, 1, 3, 3], [1, 1, 1, 1], [2, -1, -2, 2], [1, 1, 1, 1], [2, 1, 3, 3]),
    ],
)
def test_replay_by_hand(policy: str, segments: Any, exact: Any, q_halt: Any, by_choice: Any, work: Any) -> None:
    found = replay(BY_HAND, policy)
    assert found.policy == policy
    assert found.segments.tolist() == segments
    assert found.exact.tolist() == exact
    assert found.q_halt.tolist() == q_halt
    assert found.by_choice.tolist() == by_choice
    assert found.work.tolist() == work


@pytest.mark.parametrize(
    ("policy", "segments", "right", "abstained"),
    [
        # at the budget the second policy decides, too
        ("abstain(fixed:2,q-threshold:0.5)", [2, 2, 2, 2], [1, 1, 0, 0], [0, 1, 1, 1]),
        ("abstain(q-threshold:0.5,q-threshold:0.95)", [2, 3, 3, 3], [1, 1, 1, 1], [1, 1, 1, 1]),
        ("abstain(q-threshold:0.5,q-threshold:0.5)", [2, 3, 3, 3], [1, 1, 1, 1], [0, 1, 1, 0]),
        ("max:2(abstain(oracle,q-threshold:0.5))", [2, 1, 2, 2], [1, 1, 0, 0], [0, 1, 1, 1]),
        # the answering view has halted at its second segment with Q = 2, and that is what counts at the third
        ("abstain(best-q:2(q-threshold:0.5),q-threshold:0.8)", [3, 3, 3, 3], [1, 0, 1, 1], [0, 0, 1, 0]),
        ("abstain(halt-first:2,q-threshold:0.8)", [2, 1, 3, 1], [1, 0, 1, 0], [0, 0, 1, 1]),
    ],
)
def test_abstentions_by_hand(policy: str, segments: Any, right: Any, abstained: Any) -> None:
    found = replay(BY_HAND, policy)
    assert found.segments.tolist() == segments
    assert found.right.tolist() == right
    assert found.abstained.tolist() == abstained
    assert found.exact.tolist() == [bool(yes and not silent) for yes, silent in zip(right, abstained, strict=True)]


class Watching(HaltingPolicy):
    """Keeps what it is shown; halts nothing."""

    name, needs = "watching", ("q_halt",)

    def __init__(self) -> None:
        self.seen: list[HaltContext] = []

    def decide(self, context: HaltContext) -> torch.Tensor:
        self.seen.append(context)
        return torch.zeros_like(context.segment, dtype=torch.bool)

    def __deepcopy__(self, memo: Any) -> HaltingPolicy:
        return self


def test_a_policy_sees_what_it_needs_and_its_budget() -> None:
    watching = Watching()
    found = replay(BY_HAND, watching, 2)
    assert [context.max_segments for context in watching.seen] == [2, 2]
    assert [context.segment.tolist() for context in watching.seen] == [[1] * 4, [2] * 4]
    assert [set(context.signals) for context in watching.seen] == [{"q_halt"}] * 2
    assert [context["q_halt"].tolist() for context in watching.seen] == [[-1, -1, -3, -1], [2, -1, -2, -1]]
    assert not found.by_choice.any()


def test_the_agent_wavers(traces: Traces) -> None:
    """Most policies halt different puzzles at different segments: else the tests above show little."""
    spread = [len(set(replay(traces, policy).segments.tolist())) for policy in ONE_VIEW]
    assert np.mean(np.array(spread) > 1) > 0.7


def test_a_policy_is_copied(views: Traces) -> None:
    policy = Remembering()
    first, second = replay(views, policy), replay(views, policy)
    assert not len(policy.before)
    np.testing.assert_array_equal(first.segments, second.segments)


def test_no_puzzles_and_chosen_puzzles(views: Traces) -> None:
    assert replay(views[:0], "halt-first:3:0.5").segments.shape == (0,)
    rows = np.array([7, 3, 50])
    np.testing.assert_array_equal(replay(views[rows], "kl:0.1").segments, replay(views, "kl:0.1").segments[rows])


@pytest.mark.parametrize(
    ("policy", "budget", "message"),
    [
        ("kl:0.1", None, "replay of 'kl:0.1': expected recorded signals kl, found no kl"),
        (
            "any(q-compare,entropy)",
            None,
            "expected recorded signals q_halt, q_continue, entropy, found no q_continue, ent",
        ),
        ("halt-first:3", None, "replay of 'halt-first:3': expected 3 recorded views, found 2"),
        ("best-q:2:0.5", None, "expected views recorded with noise 0.5:0:0, found noise 0:0:0"),
        ("best-residual:2:0:0:1", None, "expected recorded signals residual_h, found no residual_h"),
        ("q-threshold", 4, "max_segments: expected 1 to 3, which were recorded, found 4"),
        ("q-threshold", 0, "max_segments: expected 1 to 3, which were recorded, found 0"),
    ],
)
def test_what_was_not_recorded_is_refused(policy: str, budget: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay(BY_HAND, policy, budget)


def test_every_registered_signal_serves() -> None:
    """No rule needs what a recording leaves out."""
    needed = {name for text in policy_samples() for name in make(text).needs}
    assert needed <= set(SIGNALS) - {"state"}
