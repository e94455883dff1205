"""Exactly-once evaluation: the same figures for every batch size, and hardly a row that computes for nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents import BUDGET, Remembering, every_puzzle_once, native_env, row_policies, wavering_agent
from numpy.typing import NDArray

from hrm_agent import HRM, Evaluation
from hrm_agent.halting import HaltingPolicy
from hrm_agent.inference.evaluation import BATCH_SIZES, rows_to_keep
from hrm_env.envs.grading import cell_accuracy, exact_match

EVERY_POLICY = row_policies()
STEADY = ("fixed:2", "cosine:0.5")  # halt on every puzzle after the same segment
ByBudget = list[NDArray[np.bool_]]
ARRAYS = ("right", "abstained", "cells", "segments", "right_by_segment")


@pytest.fixture(scope="module")
def model() -> HRM:
    return wavering_agent()


@pytest.mark.parametrize("policy", [*EVERY_POLICY, Remembering()], ids=[*EVERY_POLICY, "with a memory"])
def test_figures_do_not_depend_on_the_number_of_slots(model: HRM, policy: str | HaltingPolicy) -> None:
    one, seven, many = (model.evaluate(every_puzzle_once(slots, num_puzzles=30), policy) for slots in (1, 7, 512))
    for other in (seven, many):
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=name)
        # matrix products of other sizes may round otherwise in the last digits
        np.testing.assert_allclose(other.q_halt, one.q_halt, rtol=1e-5, atol=1e-5)
    assert 0 < one.exact.mean() < 1
    if policy not in STEADY:
        assert len(set(one.segments.tolist())) > 1, "the agent does not waver: the test shows little"


def test_random_variants_are_refused_because_their_figures_would_depend_on_the_slots(model: HRM) -> None:
    with pytest.raises(ValueError, match=r'^evaluate: expected .* order="once", augment=False, found .* augment=True$'):
        model.evaluate(every_puzzle_once(7, augment=True))


@pytest.mark.parametrize(
    ("policy", "reasons"), [("fixed:2", {1}), ("fixed:9", {2}), ("fixed:4", {1}), ("kl:0.02", {1, 2})]
)
def test_the_environment_knows_who_ended_an_episode(
    model: HRM, policy: str, reasons: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is the policy's own decision, also at the last segment, in evaluation as in `Replay.by_choice`."""
    env = every_puzzle_once(7)
    told: dict[int, int] = {}
    step = env.step_tensors

    def noting(action: torch.Tensor) -> Any:
        result = step(action)
        final, done = result[4]["final_info"], result[4]["_final_info"]
        told.update(zip(final["index"][done].tolist(), final["halt_reason"][done].tolist(), strict=True))
        return result

    monkeypatch.setattr(env, "step_tensors", noting)
    found = model.evaluate(env, policy)
    assert set(told.values()) == reasons
    assert all(found.segments[index] == BUDGET for index, reason in told.items() if reason == 2)


@pytest.mark.parametrize("slots", [7, 512])
@pytest.mark.parametrize("policy", EVERY_POLICY)
def test_a_batch_shrinks_in_few_steps_to_the_rows_that_think(model: HRM, policy: str, slots: int) -> None:
    rows: list[int] = []
    hook = model.policy.acting_core.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[1])))
    found = model.evaluate(every_puzzle_once(slots), policy)
    hook.remove()
    begins = min(slots, 60)
    unit = max(1, begins // BATCH_SIZES)
    assert max(rows) == begins
    assert all(size % unit == 0 or size == begins for size in rows)
    assert 0 <= sum(rows) - found.segments.sum() <= (unit - 1) * len(rows)


def test_rows_that_are_kept() -> None:
    active = torch.tensor([False, True, False, True, True])
    assert [rows_to_keep(active, unit).tolist() for unit in (1, 2, 4, 5)] == [
        [1, 3, 4],
        [0, 1, 3, 4],
        [0, 1, 3, 4],
        [0, 1, 2, 3, 4],
    ]
    assert rows_to_keep(torch.ones(3, dtype=torch.bool), 2).tolist() == [0, 1, 2]


@pytest.mark.parametrize("slots", [1, 7, 512])
def test_every_puzzle_exactly_once(model: HRM, slots: int) -> None:
    env = every_puzzle_once(slots)
    begun: list[Any] = []

    def note(_: Any, inputs: Any, output: Any) -> None:
        fresh = (inputs[0].z_h == model.policy.core.initial_carry(1).z_h).flatten(1).all(1)
        begun.extend(inputs[1][fresh].tolist())

    hook = model.policy.acting_core.register_forward_hook(note)
    found = model.evaluate(env, "random:0.4")
    hook.remove()
    assert sorted(begun) == sorted(env.rules.puzzles.inputs.tolist())
    assert (found.segments >= 1).all()


def test_figures_are_in_the_order_of_the_source(model: HRM) -> None:
    env = every_puzzle_once(7)
    found = model.evaluate(env, "fixed:2")
    inputs, solution, puzzle_id = (tensor.long() for tensor in env.rules.tensors())
    core = model.policy.acting_core
    with torch.no_grad():
        first = core(core.initial_carry(60), inputs, puzzle_id)
        second = core(first.carry, inputs, puzzle_id)
    answer = second.logits.argmax(-1)
    np.testing.assert_array_equal(found.exact, exact_match(answer, solution).numpy())
    np.testing.assert_array_equal(found.cells, cell_accuracy(answer, solution).numpy())
    np.testing.assert_allclose(found.q_halt, second.q_halt.numpy(), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def fixed(model: HRM) -> ByBudget:
    """What is right after 1, 2, ... segments."""
    return [model.evaluate(every_puzzle_once(60), f"fixed:{k}").exact for k in range(1, BUDGET + 1)]


def test_accuracy_by_segment_is_that_of_fixed_budgets(model: HRM, fixed: ByBudget) -> None:
    whole = model.evaluate(every_puzzle_once(), f"fixed:{BUDGET}").summary()
    assert whole["accuracy_by_segment"] == [exact.mean() for exact in fixed]
    assert len(set(whole["accuracy_by_segment"])) > 1


@pytest.mark.parametrize("policy", EVERY_POLICY)
def test_accuracy_by_segment_keeps_the_answer_of_the_halt(model: HRM, fixed: ByBudget, policy: str) -> None:
    found = model.evaluate(every_puzzle_once(60), policy)
    for segment in range(1, BUDGET + 1):
        answered = np.choose(np.minimum(found.segments, segment) - 1, fixed)
        answered &= ~(found.abstained & (found.segments <= segment))
        assert found.right_by_segment[segment - 1] == answered.sum()
    assert found.summary()["accuracy_by_segment"][-1] == found.summary()["exact"]


def test_the_oracle_is_the_upper_bound(model: HRM) -> None:
    oracle = model.evaluate(every_puzzle_once(60), "oracle")
    for policy in EVERY_POLICY:
        assert not (model.evaluate(every_puzzle_once(60), policy).exact & ~oracle.exact).any()
    assert (oracle.segments[~oracle.exact] == BUDGET).all()


def test_another_budget(model: HRM) -> None:
    found = model.evaluate(every_puzzle_once(max_segments=7), "fixed:9")
    assert (found.segments == 7).all()
    assert len(found.summary()["accuracy_by_segment"]) == 7


def test_evaluation_leaves_the_agent_as_it_is(model: HRM) -> None:
    policy, before = Remembering(), model.halting
    first, second = (model.evaluate(every_puzzle_once(), policy) for _ in range(2))
    np.testing.assert_array_equal(first.segments, second.segments)
    assert model.halting is before
    assert not len(policy.before)  # a sweep works with a copy: its memory is its own


@pytest.mark.parametrize("order", ["random", "sequential"])
def test_other_orders_are_refused(model: HRM, order: str) -> None:
    with pytest.raises(ValueError, match=f"expected an environment made with .*, found order='{order}'"):
        model.evaluate(native_env(4, order=order))


def test_summary_by_hand() -> None:
    found = Evaluation(
        right=np.array([True, False, True, True]),
        abstained=np.array([False, False, False, True]),
        valid=np.array([True, False, True, False]),
        cells=np.array([1.0, 0.5, 1.0, 0.0], dtype=np.float32),
        answer=np.zeros((4, 2), dtype=np.uint8),
        segments=np.array([1, 4, 2, 2]),
        work=np.array([2, 8, 3, 4]),
        q_halt=np.array([0.0, 1.0, -0.5, 3.0], dtype=np.float32),
        right_by_segment=np.array([1, 2, 3, 3]),
        seconds=2.0,
    )
    assert found.summary() == {
        "puzzles": 4,
        "exact": 0.5,
        "abstained": 0.25,
        "valid": 0.5,
        "cell_accuracy": 0.625,
        "segments_mean": 2.25,
        "segments_median": 2.0,
        "segments_p95": pytest.approx(3.7),
        "work_mean": 4.25,
        "q_halt_accuracy": 0.5,  # right on the first and the last, which is right and not handed in
        "accuracy_by_segment": [0.25, 0.5, 0.75, 0.75],
        "puzzles_per_second": 2.0,
    }


class Bar:
    """Counts in place of a bar."""

    made: list[Bar] = []  # noqa: RUF012  # emptied by the test

    def __init__(self, **options: Any) -> None:
        self.options, self.count, self.open = options, 0, True
        self.made.append(self)

    def update(self, number: int) -> None:
        self.count += number

    def close(self) -> None:
        self.open = False


@pytest.mark.parametrize("shown", [True, False])
def test_a_bar_counts_every_puzzle(shown: bool, model: HRM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrm_agent.inference.evaluation.tqdm", Bar)
    Bar.made.clear()
    model.evaluate(every_puzzle_once(), progress_bar=shown)
    (bar,) = Bar.made
    assert (bar.options["total"], bar.options["disable"], bar.count, bar.open) == (60, not shown, 60, False)
