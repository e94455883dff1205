"""Halting metrics, each on five puzzles whose values can be counted by hand, and what must hold for any of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hrm_agent.study import metrics
from hrm_agent.study.frontier import frontier, frontier_area
from hrm_agent.study.ranks import average_ranks, spearman

YES, NO = True, False
CORRECT = np.array(
    [
        [NO, YES, YES, YES],  # halts at 1: premature
        [YES, YES, YES, YES],  # halts at 3: late, by two
        [NO, YES, NO, NO],  # halts at 3: was right, is not, and will not be again
        [NO, NO, NO, NO],  # halts at 4: never right
        [YES, NO, NO, YES],  # halts at 1: in time
    ]
)
SEGMENTS = np.array([1, 3, 3, 4, 1])
EXACT = np.array([NO, YES, NO, NO, YES])
Q_HALT = np.arange(20.0).reshape(5, 4) - 9.5  # at the halt: −9.5, −3.5, 0.5, 5.5, 6.5
RATING = np.array([10, 20, 20, 40, 30])


def random_correct(seed: int, puzzles: int = 200, budget: int = 6) -> tuple[metrics.Bools, metrics.Ints]:
    generator = np.random.default_rng(seed)
    segments = generator.integers(1, budget + 1, puzzles)
    return generator.random((puzzles, budget)) < generator.random((puzzles, 1)), segments


def test_at_the_halt() -> None:
    assert metrics.at_halt(CORRECT, SEGMENTS).tolist() == EXACT.tolist()
    assert metrics.at_halt(Q_HALT, SEGMENTS).tolist() == [-9.5, -3.5, 0.5, 5.5, 6.5]


def test_first_and_last_right() -> None:
    assert metrics.first_right(CORRECT).tolist() == [2, 1, 2, 5, 1]
    assert metrics.last_right(CORRECT).tolist() == [4, 4, 2, 0, 4]


def test_values_of_each_puzzle() -> None:
    assert metrics.q_right(metrics.at_halt(Q_HALT, SEGMENTS), EXACT).tolist() == [YES, NO, NO, NO, YES]
    assert metrics.oracle_gap(CORRECT, EXACT).tolist() == [1, 0, 1, 0, 0]
    assert metrics.step_regret(CORRECT, SEGMENTS).tolist() == [0, 2, 1, 0, 0]
    assert metrics.premature(CORRECT, SEGMENTS, EXACT).tolist() == [YES, NO, NO, NO, NO]
    assert metrics.late(CORRECT, SEGMENTS, EXACT).tolist() == [NO, YES, NO, NO, NO]
    assert metrics.overthinking(CORRECT).tolist() == [NO, NO, YES, NO, NO]


def test_a_q_head_that_hesitates_at_zero_says_right() -> None:
    assert metrics.q_right(np.array([0.0, -0.0, -1e-9]), np.array([YES, YES, NO])).all()


def test_settling_of_correctness_and_of_answers() -> None:
    assert metrics.settling(CORRECT).tolist() == [2, 1, 3, 1, 4]
    answers = np.zeros((2, 4, 3), np.uint8)
    answers[1, 2, 0] = 7  # changes at 3 and back at 4
    assert metrics.settling(answers).tolist() == [1, 4]
    assert metrics.settling(CORRECT[:, :1]).tolist() == [1] * 5


def test_flips() -> None:
    lost, gained = metrics.flips(CORRECT)
    assert (lost.tolist(), gained.tolist()) == ([0.2, 0.2, 0.0], [0.4, 0.0, 0.2])


def test_cost_of_a_solved_puzzle() -> None:
    assert metrics.per_solved(SEGMENTS, EXACT) == 12 / 2
    assert metrics.per_solved(3.0, EXACT) == 1.5
    assert math.isnan(metrics.per_solved(SEGMENTS, np.zeros(5, bool)))


def test_summary_by_hand() -> None:
    found = metrics.summary(CORRECT, SEGMENTS, Q_HALT, RATING)
    calibration = {name: found.pop(name) for name in ("ece", "brier", "auroc", "nll")}
    assert found == pytest.approx(
        {
            "exact": 0.4,
            "segments_mean": 2.4,
            "segments_median": 3.0,
            "segments_p95": 3.8,  # between the fourth and the fifth: 3 + 0.8
            "segments_rating_spearman": spearman(SEGMENTS, RATING),
            "segments_per_solved": 6.0,
            "q_halt_accuracy": 0.4,
            "oracle_accuracy": 0.8,
            "oracle_gap": 0.4,
            "step_regret": 0.6,
            "premature": 0.2,
            "late": 0.2,
            "overthinking": 0.2,
            "settling_mean": 11 / 5,
            "flips_lost": 0.4,
            "flips_gained": 0.6,
        }
    )
    assert calibration["auroc"] == 4 / 6  # of the six pairs of a right and a wrong one, four stand in order
    assert metrics.summary(CORRECT, SEGMENTS, metrics.at_halt(Q_HALT, SEGMENTS), RATING) == found | calibration


def test_views_answer_and_work_for_themselves() -> None:
    found = metrics.summary(CORRECT, SEGMENTS, Q_HALT, RATING, exact=np.array([YES] * 4 + [NO]), work=4 * SEGMENTS)
    assert (found["exact"], found["segments_mean"], found["segments_per_solved"]) == (0.8, 2.4, 12.0)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_their_definitions(seed: int) -> None:
    correct, segments = random_correct(seed)
    exact = metrics.at_halt(correct, segments)
    rows = list(zip(correct.tolist(), segments.tolist(), strict=True))
    assert metrics.premature(correct, segments, exact).tolist() == [not c[t - 1] and any(c[t:]) for c, t in rows]
    assert metrics.late(correct, segments, exact).tolist() == [c[t - 1] and any(c[: t - 1]) for c, t in rows]
    assert metrics.step_regret(correct, segments).tolist() == [
        max(0, t - 1 - c.index(YES)) if any(c) else 0 for c, t in rows
    ]
    assert metrics.settling(correct).tolist() == [
        next(m for m in range(1, 7) if len(set(c[m - 1 :])) == 1) for c, _ in rows
    ]
    lost, gained = metrics.flips(correct)
    assert np.diff(correct.mean(0)) == pytest.approx(gained - lost)


def test_the_oracle_has_no_regret() -> None:
    correct, _ = random_correct(9)
    segments = np.minimum(metrics.first_right(correct), correct.shape[1])
    found = metrics.summary(correct, segments, np.zeros(correct.shape), np.zeros(len(correct)))
    assert [found[name] for name in ("oracle_gap", "step_regret", "premature", "late")] == [0.0] * 4
    assert math.isnan(found["segments_rating_spearman"])  # all puzzles are rated alike


def test_means_are_those_of_each_puzzle() -> None:
    correct, segments = random_correct(3)
    q_halt = np.random.default_rng(0).normal(size=correct.shape)
    values = metrics.per_puzzle(correct, segments, q_halt)
    found = metrics.summary(correct, segments, q_halt, segments)
    assert {name: value.shape for name, value in values.items()} == dict.fromkeys(values, (len(correct),))
    assert {name: found[name] for name in values} == {name: value.mean() for name, value in values.items()}
    assert found["segments_rating_spearman"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (np.array([0, 1, 1, 1, 1]), "segments from 1 to 4, found 0 to 1"),
        (np.array([1, 1, 1, 1, 5]), "segments from 1 to 4, found 1 to 5"),
        (np.array([1, 1]), r"segments \(N,\), found \(5, 4\), \(2,\)"),
    ],
)
def test_bad_segments_are_named(segments: metrics.Ints, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.summary(CORRECT, segments, Q_HALT, RATING)


def test_ranks_share_ties() -> None:
    assert average_ranks([30, 10, 20, 20]).tolist() == [4.0, 1.0, 2.5, 2.5]
    assert average_ranks(np.array([5.0])).tolist() == [1.0]


def test_spearman_by_hand() -> None:
    assert spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) == pytest.approx(0.8207826816681233)
    assert spearman([1, 2, 3], np.exp([1, 2, 3])) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [9, 4, 1]) == pytest.approx(-1.0)


def test_frontier_keeps_what_nothing_beats() -> None:
    cost = [4.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0]
    accuracy = [0.9, 0.5, 0.7, 0.6, 0.7, 0.8, 0.9]
    assert frontier(cost, accuracy).tolist() == [1, 2, 5, 0]
    assert frontier([2.0, 2.0], [0.5, 0.5]).tolist() == [0]


@pytest.mark.parametrize("seed", range(3))
def test_frontier_agrees_with_its_definition(seed: int) -> None:
    cost, accuracy = np.random.default_rng(seed).integers(0, 12, (2, 40)) / 4
    beaten = (
        (cost <= cost[:, None])
        & (accuracy >= accuracy[:, None])
        & ((cost < cost[:, None]) | (accuracy > accuracy[:, None]))
    ).any(1)
    best = frontier(cost, accuracy)
    points = set(zip(cost[~beaten], accuracy[~beaten], strict=True))
    assert len(best) == len(points)
    assert set(zip(cost[best], accuracy[best], strict=True)) == points
    assert (np.diff(cost[best]) > 0).all()


def test_frontier_area_is_that_of_its_steps() -> None:
    assert frontier_area([1.0], [0.6], budget=5) == pytest.approx(0.6)
    assert frontier_area([3.0], [0.6], budget=5) == pytest.approx(0.3)  # nothing is to be had below 3 segments
    # 0.5 from 1 to 2, 0.8 from 2 to 5; the third is beaten, the fourth dearer than the budget
    assert frontier_area([2.0, 1.0, 2.5, 9.0], [0.8, 0.5, 0.7, 1.0], budget=5) == pytest.approx((0.5 + 3 * 0.8) / 4)
    with pytest.raises(ValueError, match="budget of 2 segments or more, found 1"):
        frontier_area([1.0], [1.0], budget=1)
