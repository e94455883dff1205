"""Selective prediction: the risk-coverage curve, its area, and the figures of a study with their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from study_traces import BUDGET, PUZZLES, hand_made

from hrm_agent.study.bootstrap import Resamples
from hrm_agent.study.candidates import Candidate
from hrm_agent.study.metrics import Bools
from hrm_agent.study.replays import Replays, replay_all
from hrm_agent.study.selective import aurc, risk_coverage, selective_figures
from hrm_agent.study.table import flat, tabulate

POLICIES = (
    "fixed:1",
    "fixed:3",
    "abstain(fixed:3,q-threshold:0.5)",
    "abstain(fixed:4,q-threshold:0.9)",
    "abstain(fixed:1,fixed:2)",
)


def answers(seed: int, ties: int, count: int = 60) -> tuple[np.ndarray, Bools]:
    generator = np.random.default_rng(seed)
    return generator.integers(ties, size=count), generator.random(count) < 0.7


def test_the_curve_by_hand() -> None:
    score, right = np.array([1.0, 5.0, 3.0, 2.0]), np.array([True, True, False, True])
    coverage, risk = risk_coverage(score, right)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert aurc(score, right) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_equal_scores_are_taken_in_random_order() -> None:
    score, right = answers(0, ties=4)
    generator, found = np.random.default_rng(1), []
    for _ in range(4000):
        noisy = score + generator.uniform(0, 0.5, len(score))
        found.append(risk_coverage(noisy, right)[1])
    assert risk_coverage(score, right)[1] == pytest.approx(np.mean(found, axis=0), abs=0.03)
    assert aurc(score, right) == pytest.approx(np.mean(found), abs=0.003)


@pytest.mark.parametrize("ties", [2, 5, 1000])
def test_the_area_is_the_mean_of_the_curve_for_all_counts(ties: int) -> None:
    score, right = answers(2, ties)
    assert aurc(score, right) == pytest.approx(risk_coverage(score, right)[1].mean(), rel=1e-9)
    counts = np.random.default_rng(3).integers(0, 4, (5, len(score)))
    for row, area in zip(counts, aurc(score, right, counts), strict=True):
        drawn = np.repeat(np.arange(len(score)), row)
        assert area == pytest.approx(risk_coverage(score[drawn], right[drawn])[1].mean(), rel=1e-9)


def test_a_perfect_ranking_is_best_and_a_constant_one_has_the_risk_of_all() -> None:
    _, right = answers(4, ties=2)
    shares = [float(aurc(score, right)) for score in (right, np.zeros(len(right)), ~right)]
    assert shares == sorted(shares)
    assert shares[1] == pytest.approx(1 - right.mean())
    assert aurc(right, np.ones_like(right)) == 0
    assert aurc(right, np.zeros_like(right)) == pytest.approx(1)


def replays(seeds: int = 1) -> Replays:
    traces = [hand_made(repeat=5) for _ in range(seeds)]
    for number, each in enumerate(traces):
        each.signals["q_halt"][number::7] *= -1
    return replay_all(traces, [Candidate(text, (text,) * seeds) for text in POLICIES], BUDGET)


def test_figures_by_hand() -> None:
    found = selective_figures(
        replay_all([hand_made()], [Candidate(text, (text,)) for text in POLICIES], BUDGET), Resamples(PUZZLES, 20)
    )
    # at segment 3, Q is 3, 3, 1, -2 and the first three are right; at segment 4, Q is 3, 3, 1, 2 and two are right
    assert found["coverage"].value.tolist() == [1, 1, 0.75, 0.5, 0]
    assert found["risk"].value.tolist() == [0.75, 0.25, 0, 0, 0]
    assert found["full_accuracy"].value.tolist() == [0.25, 0.75, 0.75, 0.5, 0.25]
    assert found["aurc"].value[1:3] == pytest.approx([1 / 16, 1 / 16])
    assert found["aurc"].value[3] == pytest.approx((1 / 3 + 2 / 4) / 4)


@pytest.mark.parametrize("seeds", [1, 3])
def test_resamples_are_those_of_the_drawn_puzzles_and_seeds(seeds: int) -> None:
    told, resamples = replays(seeds), Resamples(5 * PUZZLES, 30, seed=4)
    found = selective_figures(told, resamples)
    counts = np.concatenate(list(resamples.counts()))  # (count, N)
    assert counts / (5 * PUZZLES) == pytest.approx(resamples.means(np.eye(5 * PUZZLES)))
    by_seed = np.array(
        [
            [aurc(*pair, counts) for pair in zip(*seed, strict=True)]
            for seed in zip(told.q_halt, told.right, strict=True)
        ]
    )
    pooled = resamples.pooled(by_seed.transpose(2, 0, 1))
    np.testing.assert_array_equal(found["aurc"].resampled, pooled)
    answered = ~told.abstained
    covered = resamples.means(answered)
    np.testing.assert_array_equal(found["coverage"].resampled, covered)
    wrong = resamples.means(answered & ~told.right)
    assert found["risk"].resampled * covered == pytest.approx(wrong)
    assert (found["risk"].resampled[:, -1] == 0).all()  # nothing is answered


def test_differences_to_the_reference_are_paired() -> None:
    rows = {row.policy: row for row in tabulate(replays(), "fixed:3", 0.9, Resamples(5 * PUZZLES, 200))}
    reference, silent = (rows[name].selective for name in POLICIES[1:3])
    assert not np.any([reference[f"{name}_difference"] for name in ("coverage", "risk", "full_accuracy", "aurc")])
    for name in ("aurc_difference", "full_accuracy_difference"):  # the same answers
        assert list(silent[name]) == [0, 0, 0]
    assert silent["coverage_difference"].high < 0
    assert silent["risk_difference"].value == pytest.approx(silent["risk"].value - reference["risk"].value)
    columns = flat(rows[POLICIES[2]])
    assert columns["risk_low"] == silent["risk"].low
    assert columns["aurc_difference_high"] == 0
    assert columns["exact"] == pytest.approx(columns["coverage"] * (1 - columns["risk"]))
