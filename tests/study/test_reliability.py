"""Calibration of the Q head: exact values by hand, and a temperature that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hrm_agent.study.ranks import auroc
from hrm_agent.study.reliability import (
    TEMPERATURES,
    brier,
    negative_log_likelihood,
    q_summary,
    reliability,
    sigmoid,
    temperature,
)


def logits_of(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits and outcomes where exactly a share σ(q/T) of each logit's outcomes is true."""
    tenths = np.array([1, 2, 4, 7, 9])
    q = temperature * np.log(tenths / (10 - tenths))
    return np.repeat(q, 10), np.concatenate([np.arange(10) < right for right in tenths])


def test_bins_of_equal_width() -> None:
    found = reliability([0.1, 0.3, 0.75, 0.85, 1.0], [False, True, True, False, True], bins=4)
    assert found.count.tolist() == [1, 1, 3]  # none from 0.5 to 0.75
    assert found.probability.tolist() == pytest.approx([0.1, 0.3, 2.6 / 3])
    assert found.frequency.tolist() == pytest.approx([0, 1, 2 / 3])
    assert found.expected_error == pytest.approx(0.2 * 0.1 + 0.2 * 0.7 + 0.6 * 0.2)


def test_order_and_shape_do_not_matter() -> None:
    generator = np.random.default_rng(0)
    probability, outcome = generator.random(60).round(1), generator.random(60) < 0.5
    order = generator.permutation(60)
    one = reliability(probability, outcome)
    other = reliability(probability[order].reshape(12, 5), outcome[order].reshape(12, 5))
    assert one.count.tolist() == other.count.tolist()
    assert one.probability == pytest.approx(other.probability)
    assert one.expected_error == pytest.approx(other.expected_error)


def test_a_calibrated_head_has_no_error_and_a_sure_one_has() -> None:
    q, outcome = logits_of(1.0)
    assert reliability(sigmoid(q), outcome, bins=10).expected_error == pytest.approx(0, abs=1e-12)
    assert reliability(sigmoid(3 * q), outcome, bins=10).expected_error > 0.05


@pytest.mark.parametrize(
    ("probability", "bins", "found"),
    [([0.5, 1.2], 10, "found 0.5 to 1.2 in 10"), ([0.5, math.nan], 10, "nan"), ([], 10, "none"), ([0.5], 0, "in 0")],
)
def test_bad_probabilities_are_named(probability: list[float], bins: int, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        reliability(probability, [True] * len(probability), bins)


def test_brier_by_hand() -> None:
    assert brier([0.8, 0.4], [True, False]) == pytest.approx((0.2**2 + 0.4**2) / 2)


def test_negative_log_likelihood_by_hand() -> None:
    assert negative_log_likelihood([0.0, 0.0], [True, False]) == pytest.approx(math.log(2))
    assert negative_log_likelihood([math.log(3)], [False]) == pytest.approx(math.log(4))
    assert negative_log_likelihood([1000.0, -1000.0], [False, False]) == pytest.approx(500)  # does not overflow


def test_sigmoid_at_the_ends() -> None:
    assert sigmoid([-1e4, 0.0, 1e4]).tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_auroc_by_hand() -> None:
    assert auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75
    assert auroc([1.0, 1.0, 2.0], [0, 1, 1]) == 0.75  # a tie counts half
    assert auroc(np.zeros((3, 2)), [[0, 1], [0, 1], [1, 1]]) == 0.5
    assert math.isnan(auroc([1.0, 2.0], [1, 1]))


def test_auroc_is_the_share_of_ordered_pairs() -> None:
    generator = np.random.default_rng(1)
    score, outcome = generator.integers(0, 20, 100), generator.random(100) < 0.3
    pairs = np.subtract.outer(score[outcome], score[~outcome])
    assert auroc(score, outcome) == pytest.approx((np.sign(pairs).mean() + 1) / 2)


@pytest.mark.parametrize("known", [0.25, 1.0, 2.5, 8.0])
def test_temperature_is_found_again(known: float) -> None:
    q, outcome = logits_of(known)
    assert temperature(q, outcome) == pytest.approx(known, rel=1e-9)
    assert temperature(q.reshape(5, 10), outcome.reshape(5, 10)) == temperature(q, outcome)


def test_temperature_of_drawn_outcomes() -> None:
    generator = np.random.default_rng(2)
    q = generator.normal(scale=6, size=40_000)
    outcome = generator.random(40_000) < sigmoid(q / 3)
    found = temperature(q, outcome)
    assert found == pytest.approx(3, rel=0.03)
    likelihoods = [negative_log_likelihood(q / (found * factor), outcome) for factor in (0.99, 1.0, 1.01)]
    assert min(likelihoods) == likelihoods[1]


def test_temperature_beyond_its_range_is_the_nearer_end() -> None:
    assert temperature([2.0, -2.0], [True, False]) == pytest.approx(TEMPERATURES[0])
    assert temperature([2.0, -2.0], [False, True]) == pytest.approx(TEMPERATURES[1])


def test_summary_holds_them_all() -> None:
    q, outcome = logits_of(2.0)
    assert q_summary(q, outcome) == {
        "ece": reliability(sigmoid(q), outcome).expected_error,
        "brier": brier(sigmoid(q), outcome),
        "auroc": auroc(q, outcome),
        "nll": negative_log_likelihood(q, outcome),
    }
