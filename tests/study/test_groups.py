"""Puzzles in groups of variants: what is drawn by group, and that intervals and guarantees then hold, by simulation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from hrm_agent.study.bootstrap import Resamples
from hrm_agent.study.calibration import calibrate, halting_segments, wrong
from hrm_agent.study.groups import group_sums, one_of_each_group, split_by_group

GROUP = np.array([3, 3, 7, 3, 9, 9, 0, 7])


def test_sums_of_groups() -> None:
    values = np.arange(16.0).reshape(2, 8)
    assert group_sums(values, GROUP).tolist() == [[6, 4, 9, 9], [14, 28, 25, 25]]
    assert group_sums(values, np.arange(8)).tolist() == values.tolist()


@pytest.mark.parametrize(("share", "least", "taken"), [(0, 0, 0), (0.5, 0, 2), (0.99, 0, 3), (0.1, 0, 0), (0.1, 1, 1)])
def test_a_split_takes_whole_groups_and_leaves_one(share: float, least: int, taken: int) -> None:
    for seed in range(20):
        held_out = split_by_group(GROUP, share, seed, least)
        assert len(set(GROUP[held_out])) == taken
        assert not set(GROUP[held_out]) & set(GROUP[~held_out])


def test_a_split_is_drawn_at_random_whatever_the_order() -> None:
    """A file may be sorted by difficulty: every puzzle is as likely as any other to calibrate."""
    taken = np.mean([split_by_group(np.arange(50), 0.2, seed) for seed in range(400)], axis=0)
    assert np.abs(taken - 0.2).max() < 4 * math.sqrt(0.2 * 0.8 / 400)
    np.testing.assert_array_equal(split_by_group(np.arange(50), 0.2, 5), split_by_group(np.arange(50), 0.2, 5))


def test_one_of_each_group_is_any_of_it() -> None:
    drawn = np.array([one_of_each_group(GROUP, seed) for seed in range(600)])
    assert (np.sort(GROUP[drawn], axis=1) == [0, 3, 7, 9]).all()
    often = np.bincount(drawn.ravel(), minlength=8) / 600
    expected = 1 / np.bincount(GROUP)[GROUP]
    assert np.abs(often - expected).max() < 4 * math.sqrt(0.25 / 600)
    assert one_of_each_group(np.arange(9)).tolist() == list(range(9))


def test_the_mean_of_a_resample_is_that_of_all_puzzles_of_its_groups() -> None:
    values = np.random.default_rng(1).random((3, 8))
    resamples = Resamples(GROUP, count=30, seed=4)
    shares = resamples.means(np.eye(8))  # of each puzzle in the mean
    assert shares.sum(1) == pytest.approx(1)
    assert shares[:, GROUP == 3] == pytest.approx(shares[:, [0]].repeat(3, 1))
    assert len(np.unique(shares.round(6))) > 10
    assert resamples.means(values) == pytest.approx(shares @ values.T)


SIMULATIONS, GROUPS, VARIANTS = 400, 40, 50


def covered(group: npt.NDArray[np.int64]) -> float:
    """How often the 95 % interval holds the true accuracy, over simulations with correlated variants."""
    generator = np.random.default_rng(0)
    accuracy = generator.beta(1.5, 0.5, (SIMULATIONS, GROUPS))  # of each group; 0.75 in the mean
    right = generator.random((SIMULATIONS, GROUPS, VARIANTS)) < accuracy[..., None]
    found = Resamples(group, count=400).interval(right.reshape(SIMULATIONS, -1))
    return float(((found.low <= 0.75) & (found.high >= 0.75)).mean())


def test_an_interval_covers_what_it_says_where_variants_are_alike() -> None:
    """A percentile interval of 40 draws is rather too narrow; one that takes variants for independent is far too so."""
    noise = 3 * math.sqrt(0.95 * 0.05 / SIMULATIONS)
    assert covered(np.arange(GROUPS).repeat(VARIANTS)) > 0.94 - noise
    assert covered(np.arange(GROUPS * VARIANTS)) < 0.6


def thoughts(groups: int, variants: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Logits and correctness ``(groups · variants, 1)``: how sure the head is and whether it is right are a group's."""
    generator = np.random.default_rng(seed)
    sureness = generator.random((groups, 1))
    solved = generator.random((groups, 1)) < sureness
    logit = np.log(sureness / (1 - sureness)) + 0.5 * generator.standard_normal((groups, variants))
    right = solved ^ (generator.random((groups, variants)) < 0.02)
    return logit.reshape(-1, 1), right.reshape(-1, 1)


THRESHOLDS = tuple(step / 50 for step in range(25, 50))


@pytest.fixture(scope="module")
def true_risks() -> dict[float | None, float]:
    q_halt, correct = thoughts(200_000, 1, seed=10**6)
    return {None: 0.0} | {
        threshold: float(wrong(correct, *halting_segments(q_halt, threshold)).mean()) for threshold in THRESHOLDS
    }


@pytest.mark.parametrize(("groups", "variants"), [(40, 50), (150, 20)])
def test_a_guarantee_holds_where_variants_are_alike(
    groups: int, variants: int, true_risks: dict[float | None, float]
) -> None:
    group, runs = np.arange(groups).repeat(variants), 300

    def broken(group: npt.NDArray[np.int64]) -> tuple[float, float]:
        """How often the true risk is above 5 %, and how often any threshold passed."""
        found = [
            calibrate(*thoughts(groups, variants, seed), 0.05, 0.95, THRESHOLDS, group=group, seed=seed).threshold
            for seed in range(runs)
        ]
        risks = np.array([true_risks[threshold] for threshold in found])
        return float((risks > 0.05).mean()), float(np.mean([threshold is not None for threshold in found]))

    share, passed = broken(group)
    assert share <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    assert passed > 0.5 if groups > 59 else not passed  # fewer groups than 59 show nothing, even without a loss
    assert broken(np.arange(groups * variants))[0] > 0.15  # as if variants were independent
