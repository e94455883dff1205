"""The study: rows against hand-computed numbers, its order and its files."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from study_traces import BUDGET, CORRECT, PUZZLES, hand_made

from hrm_agent.halting import POLICIES, make, rule_of
from hrm_agent.study.bootstrap import Resamples
from hrm_agent.study.candidates import COMBINATIONS, Candidate, calibrated, default_policies
from hrm_agent.study.families import COLOURS, family_of
from hrm_agent.study.groups import split_by_group
from hrm_agent.study.replays import replay_all
from hrm_agent.study.study import StudyPlan, run_study
from hrm_agent.study.table import Estimate, flat, tabulate, verdict
from hrm_agent.traces.record import Traces
from hrm_agent.traces.replay import why_not
from train.study_files import write_csv, write_json
from train.study_tables import study_table


def candidates(*policies: str, seeds: int = 1) -> list[Candidate]:
    return [Candidate(policy, (policy,) * seeds) for policy in policies]


def test_rows_equal_numbers_computed_by_hand() -> None:
    plan = StudyPlan(policies=("oracle", "fixed:2"), calibration=0, resamples=50)
    table, replays = run_study([hand_made()], plan)
    # q-compare halts at 1, 2, 4 (there Q_halt > Q_continue again) and 4: right, right, wrong, wrong
    np.testing.assert_array_equal(replays.segments[0], [[1, 2, 4, 4], [1, 2, 3, 4], [2, 2, 2, 2]])
    np.testing.assert_array_equal(replays.exact[0], [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]])
    compare, oracle, two = (table.row(name) for name in ("q-compare", "oracle", "fixed:2"))
    assert [row.exact.value for row in (compare, oracle, two)] == [0.5, 0.75, 0.5]
    assert [row.segments.value for row in (compare, oracle, two)] == [2.75, 2.5, 2.0]
    assert [row.work.value for row in (compare, oracle, two)] == [2.75, 2.5, 2.0]
    assert [row.gain.value for row in (compare, oracle, two)] == [0, 0.25, 0]
    assert [row.extra.value for row in (compare, oracle, two)] == [0, -0.25, -0.75]
    assert [row.metrics["oracle_gap"] for row in (compare, oracle, two)] == [0.25, 0, 0.25]
    assert [row.metrics["step_regret"] for row in (compare, oracle, two)] == [0.25, 0, 0.25]
    assert [row.metrics["premature"] for row in (compare, oracle, two)] == [0, 0, 0.25]
    assert [row.metrics["late"] for row in (compare, oracle, two)] == [0, 0, 0.25]
    assert compare.gain == compare.extra == Estimate(0, 0, 0)
    assert (compare.verdict, compare.dominates) == ("", 0)
    assert (table.puzzles, table.budget, table.checkpoints, table.calibration_puzzles) == (4, 4, 1, 0)


def test_intervals_are_those_of_the_paired_bootstrap() -> None:
    replays = replay_all([hand_made(repeat=5)], candidates("q-compare", "fixed:2"), BUDGET)
    resamples = Resamples(5 * PUZZLES, 200, seed=3)
    rows = {row.policy: row for row in tabulate(replays, "q-compare", 0.9, resamples)}
    for name, number in (("q-compare", 0), ("fixed:2", 1)):
        expected = resamples.interval(replays.exact[0, number], 0.9)
        assert rows[name].exact == pytest.approx(tuple(map(float, expected)))
    extra = resamples.difference(replays.work[0, 1], replays.work[0, 0], 0.9)
    assert rows["fixed:2"].extra == pytest.approx(tuple(map(float, extra[:3])))
    # fixed:2 is as accurate on every puzzle, so that fewer segments are all that counts
    cheaper = resamples.means(replays.work[0, 1]) < resamples.means(replays.work[0, 0])
    assert rows["fixed:2"].dominates == cheaper.mean()


def test_the_order_is_frontier_dominated_bounds_each_by_segments() -> None:
    policies = ("oracle", "fixed:4", "fixed:3", "fixed:2", "fixed:1", "q-threshold:0.5")
    table, _ = run_study([hand_made()], StudyPlan(policies=policies, calibration=0, resamples=20))
    # q-threshold:0.5 halts at 1, 2, 3, 4 and is right as often as the oracle, for as little
    assert [(row.policy, row.frontier) for row in table.rows] == [
        ("fixed:1", True),
        ("fixed:2", True),
        ("q-threshold:0.5", True),
        ("q-compare", False),
        ("fixed:3", False),
        ("fixed:4", False),
        ("oracle", False),
    ]
    # 1/4 from 1 to 2 segments, 1/2 to 2.5 and 3/4 to 4, over 3
    assert table.area == pytest.approx((0.25 + 0.25 + 0.75 * 1.5) / 3)


def test_checkpoints_are_pooled_and_may_differ_in_their_policy() -> None:
    first, second = hand_made(), hand_made()
    second.signals["q_halt"][:] = -5  # this agent never believes that it is right
    mixed = [*candidates("q-threshold:0.5", seeds=2), Candidate("mixed", ("fixed:1", "fixed:3"))]
    replays = replay_all([first, second], mixed, BUDGET)
    np.testing.assert_array_equal(replays.segments[:, 0], [[1, 2, 3, 4], [4, 4, 4, 4]])
    np.testing.assert_array_equal(replays.segments[:, 1], [[1] * 4, [3] * 4])
    row = tabulate(replays, "mixed", 0.95, Resamples(PUZZLES, 20))[0]
    assert (row.policy, row.exact.value, row.segments.value) == ("mixed", 0.5, 2)
    assert replays.metrics[0]["exact"] == np.mean([0.75, 0.5])


def test_the_same_twice() -> None:
    plan = StudyPlan(calibration=0.5, resamples=30, policies=("fixed:1", "q-threshold:0.9"))
    assert repr(run_study([hand_made(repeat=3)], plan)[0]) == repr(run_study([hand_made(repeat=3)], plan)[0])


def test_calibration_puzzles_are_scored_nowhere() -> None:
    recorded = hand_made(repeat=100)
    held_out = split_by_group(recorded.group, 0.5, seed=7)
    recorded.signals["correct"][held_out] = 0  # half of them, drawn at random, are all wrong
    recorded.signals["correct"][np.flatnonzero(~held_out)] = np.tile(np.array(CORRECT, np.float32), (50, 1))[:, None]
    plan = StudyPlan(policies=("fixed:1",), calibration=0.5, risks=(0.01,), resamples=20, seed=7)
    table, replays = run_study([recorded], plan)
    assert (table.puzzles, table.groups, table.calibration_puzzles) == (200, 200, 200)
    np.testing.assert_array_equal(replays.traces[0].index, np.flatnonzero(~held_out))
    assert table.row("fixed:1").exact.value == 0.25
    assert table.row("fixed:4").note == "calibrated: risk ≤ 1 %"  # nothing passed: think to the end
    assert len(table.temperatures) == 1
    assert "no threshold" in table.calibrations[0]


def test_each_checkpoint_has_its_own_threshold() -> None:
    sure, humble = hand_made(repeat=200), hand_made(repeat=200)
    sure.signals["q_halt"][:] = np.where(sure.correct, 6, 4)  # right or wrong, it always feels right
    humble.signals["q_halt"][:] = np.where(humble.correct, 0, -2)
    (found, silent), lines = calibrated([sure, humble], BUDGET, (0.05,), 0.95)
    assert [line.split(":")[0] for line in lines[:4]] == ["q-threshold"] * 2 + ["abstain(q-threshold"] * 2
    assert lines[4:] == ["each of these 4 guarantees holds with confidence 0.95 by itself, not all at once"]
    assert (found.note, silent.note) == ("calibrated: risk ≤ 5 %", "calibrated: selective risk ≤ 5 %")
    _, lines = calibrated([sure, humble], BUDGET, (0.05,), 0.95, joint=True)
    assert [re.findall(r"confidence ([\d.]+\d)", line) for line in lines] == [*[["0.9875"]] * 4, ["0.95"]]
    assert lines[4] == "all 4 guarantees hold at once with confidence 0.95 (Bonferroni)"
    assert found.policies[0] != found.policies[1]
    parameters = [policy.removeprefix("q-threshold:") for policy in found.policies]
    assert found.name == f"q-threshold:{'|'.join(parameters)}"
    assert silent.name == "|".join(silent.policies)


@pytest.mark.parametrize(
    ("gain", "extra", "expected"),
    [
        ((0.0, -0.004, 0.004), (-1.0, -1.2, -0.8), "better"),
        ((0.02, 0.01, 0.03), (0.0, -0.1, 0.1), "better"),
        ((0.0, -0.004, 0.004), (1.0, 0.8, 1.2), "worse"),
        ((-0.02, -0.03, -0.01), (0.0, -0.1, 0.1), "worse"),
        ((-0.02, -0.03, -0.01), (-1.0, -1.2, -0.8), "trade"),
        ((0.02, 0.01, 0.03), (1.0, 0.8, 1.2), "trade"),
        ((0.0, -0.01, 0.01), (-1.0, -1.2, -0.8), "like"),
        ((0.0, -0.01, 0.01), (0.0, -0.1, 0.1), "like"),
    ],
)
def test_verdicts(gain: tuple[float, ...], extra: tuple[float, ...], expected: str) -> None:
    assert verdict(Estimate(*gain), Estimate(*extra)) == expected


def test_default_policies_are_all_rules_with_their_sweeps() -> None:
    policies = default_policies()
    rules = {rule_of(policy) for policy in policies}
    assert rules >= {name for name, kind in POLICIES.items() if kind.sweep and make_alone(name)}
    assert set(COMBINATIONS) < set(policies)
    assert {make(policy).views for policy in policies} == {1}
    assert {make(policy).views for policy in default_policies(views=5)} == {1, 2, 4}
    assert {
        make(policy).noise for policy in default_policies(views=2, noise=(0.5, 0, 0)) if make(policy).views > 1
    } == {0.5}
    assert len(policies) == len(set(policies))


def make_alone(name: str) -> bool:
    """Whether a rule stands for itself and has one view."""
    return name not in {"any", "all", "min", "max", "halt-first", "best-q", "best-residual", "sb3"}


def test_every_policy_has_a_family() -> None:
    assert {family_of(make(policy)) for policy in default_policies(views=2)} < set(COLOURS)
    for policy, family in {
        "q-compare": "Q values",
        "ponder": "Q values",
        "residual": "hidden state",
        "patience": "answer",
        "fixed:2": "baseline",
        "random:0.5": "baseline",
        "verifier": "bound",
        "any(oracle,fixed:2)": "bound",
        "min:2(kl)": "combination",
        "halt-first:2": "several views",
    }.items():
        assert family_of(make(policy)) == family


def test_what_cannot_be_replayed_is_left_out_unless_asked_for() -> None:
    recorded = hand_made()
    table, _ = run_study([recorded], StudyPlan(calibration=0, resamples=10))
    assert table.left_out["kl:0.01"] == "expected recorded signals kl, found no kl"
    assert {row.family for row in table.rows} == {"Q values", "baseline", "bound", "combination"}
    untrained = {"q_continue": "the agent was trained without Q_continue"}
    table, _ = run_study([recorded], StudyPlan(calibration=0, resamples=10), untrained)
    assert table.reference == "q-threshold:0.5"
    assert table.left_out["q-margin:1"] == untrained["q_continue"]
    with pytest.raises(
        ValueError, match=r"study: 'kl:0\.01' cannot be replayed: expected recorded signals kl, found no kl"
    ):
        run_study([recorded], StudyPlan(policies=("kl:0.01",)))
    with pytest.raises(ValueError, match="'q-compare' cannot be replayed: the agent was trained without Q_continue"):
        run_study([recorded], StudyPlan(reference="q-compare"), untrained)
    assert why_not(make("halt-first:2"), recorded.header) == "expected 2 recorded views, found 1"


def test_other_puzzles_and_bad_numbers_are_refused() -> None:
    other = replace(hand_made(), inputs=hand_made().inputs + 1)
    with pytest.raises(ValueError, match="expected traces of the same puzzles from all checkpoints, found others"):
        run_study([hand_made(), other])
    with pytest.raises(ValueError, match="expected recorded traces, found none"):
        run_study([])
    with pytest.raises(ValueError, match="found others in number 2"):
        run_study([hand_made(), replace(hand_made(), group=np.array([0, 0, 1, 1]))])
    with pytest.raises(ValueError, match="max_segments: expected 1 to 4"):
        run_study([hand_made()], StudyPlan(budget=5, calibration=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": 1.5}, "calibration: expected a finite number from 0 to 1, found 1.5"),
        ({"calibration": 1.0}, "calibration: expected a share of the puzzles below 1, found 1.0"),
        ({"risks": (0.05, 2)}, "risks: expected a finite number from 0 to 1, found 2"),
        ({"risks": (0.0,)}, "risks: expected a number between 0 and 1, found 0.0"),
        ({"confidence": "high"}, "confidence: expected a finite number from 0 to 1, found 'high'"),
        ({"resamples": 0}, "resamples: expected an integer of at least 1, found 0"),
        ({"budget": -1}, "budget: expected an integer of at least 0, found -1"),
        ({"joint": "no"}, "joint: expected True or False, found 'no'"),
    ],
)
def test_a_bad_plan_is_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        StudyPlan(**options)


@pytest.mark.parametrize(
    ("budget", "expected"), [(8, "1 2 3 4 6 8"), (5, "1 2 3 4 5"), (1, "1"), (0, "1 2 3 4 6 8 12 16")]
)
def test_a_budget_is_listed_once(budget: int, expected: str) -> None:
    fixed = [policy for policy in default_policies(budget=budget) if policy.startswith("fixed:")]
    assert fixed == [f"fixed:{segments}" for segments in expected.split()]


def grouped(groups: int = 40, variants: int = 10) -> Traces:
    """Variants of a puzzle are alike: all right at once, or all wrong."""
    recorded = hand_made(repeat=groups * variants // PUZZLES)
    solved = np.random.default_rng(0).random(groups).repeat(variants) < 0.7
    recorded.signals["correct"][:] = solved[:, None, None]
    return replace(recorded, group=np.arange(groups).repeat(variants))


def test_variants_of_one_puzzle_count_as_one_draw() -> None:
    recorded = grouped()
    plan = StudyPlan(policies=("fixed:1",), calibration=0.25, risks=(0.4,), resamples=200)
    table, replays = run_study([recorded], plan)
    assert (table.puzzles, table.groups, table.calibration_puzzles) == (300, 30, 100)
    scored = set(recorded.group[replays.traces[0].index])
    assert len(scored) == 30  # whole groups are held out
    exact = table.row("fixed:1").exact
    assert exact.high - exact.low > 0.2  # two standard deviations of 30 draws on either side are 0.33
    alone, _ = run_study([replace(recorded, group=np.arange(400))], plan)
    assert alone.row("fixed:1").exact.high - alone.row("fixed:1").exact.low < 0.15
    assert "on 10 independent calibration puzzles" in table.calibrations[0]
    assert "300 puzzles in 30 groups (100 more for calibration)" in str(study_table(table).title)


def test_a_narrow_table_leaves_out_metrics_not_digits() -> None:
    table, _ = run_study([hand_made()], StudyPlan(policies=("oracle", "fixed:2"), calibration=0, resamples=20))
    wide, narrow = (study_table(table, metrics) for metrics in (True, False))
    assert [column.header for column in wide.columns][:7] == [column.header for column in narrow.columns]
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(narrow)
    printed = console.export_text()
    assert "…" not in printed
    assert re.search(r"fixed:2 +50\.00 ±[\d.]+ +2\.00 ±0\.00 +\+0\.00 \[\+0\.00 \+0\.00\] +-0\.75 \[", printed), printed


def test_files_hold_the_table(tmp_path: Path) -> None:
    table, _ = run_study([hand_made()], StudyPlan(policies=("oracle", "fixed:2"), calibration=0, resamples=20))
    write_csv(table.frame(), tmp_path / "study.csv")
    write_json(table, tmp_path / "study.json")
    with (tmp_path / "study.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    whole = json.loads((tmp_path / "study.json").read_text())
    assert whole["puzzles"] == PUZZLES
    for row, line, entry in zip(table.rows, read, whole["rows"], strict=True):
        expected = flat(row)
        assert set(line) == set(entry) == set(expected)
        for name, value in expected.items():
            if isinstance(value, float) and math.isnan(value):
                assert (line[name], entry[name]) == ("nan", None)
            elif isinstance(value, float):
                assert float(line[name]) == entry[name] == value
            else:
                assert (line[name], entry[name]) == (str(value), value)
