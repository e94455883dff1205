"""The paired bootstrap: exact where it must be, and intervals that cover what they say."""

from __future__ import annotations

import numpy as np
import pytest

from hrm_agent.study import bootstrap
from hrm_agent.study.bootstrap import Resamples, percentiles

POLICIES = np.random.default_rng(0).random((7, 50)) < 0.6


def test_constants_have_intervals_of_no_width() -> None:
    values = np.repeat([[0.3], [7.0], [0.0]], 40, axis=1)
    found = Resamples(40, count=50).interval(values)
    assert [end.tolist() for end in found] == [[0.3, 7.0, 0.0]] * 3
    pooled = Resamples(40, count=50).interval(np.stack([values] * 3))
    assert [end.tolist() for end in pooled] == [[0.3, 7.0, 0.0]] * 3


def test_means_are_those_of_the_drawn_puzzles() -> None:
    values = np.random.default_rng(1).integers(1, 17, (3, 20))
    resamples = Resamples(20, count=30, seed=4)
    counts = resamples.means(np.eye(20)) * 20  # how often each puzzle was drawn
    assert counts == pytest.approx(counts.round())
    assert counts.sum(1) == pytest.approx(20)
    assert resamples.means(values) == pytest.approx(counts @ values.T / 20)


def test_a_policy_alone_is_as_among_others() -> None:
    resamples = Resamples(50, count=40)
    together = resamples.means(POLICIES)
    assert together.shape == (40, 7)
    assert all(np.array_equal(resamples.means(row), together[:, place]) for place, row in enumerate(POLICIES))
    assert resamples.interval(POLICIES[2]) == tuple(end[2] for end in resamples.interval(POLICIES))


def test_draws_follow_the_seed_and_not_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    means = Resamples(50, count=40, seed=1).means(POLICIES)
    assert np.array_equal(Resamples(50, count=40, seed=1).means(POLICIES), means)
    assert not np.array_equal(Resamples(50, count=40, seed=2).means(POLICIES), means)
    monkeypatch.setattr(bootstrap, "CHUNK", 50 * 7)
    assert Resamples(50, count=40, seed=1).means(POLICIES) == pytest.approx(means, abs=1e-15)


def test_equal_policies_differ_by_exactly_nothing() -> None:
    values = np.random.default_rng(2).random((5, 30)) * 16
    found = Resamples(30, count=60).difference(values, values.copy())
    assert [end.tolist() for end in found] == [[0.0] * 5] * 4


def test_a_difference_is_paired() -> None:
    generator = np.random.default_rng(3)
    worse = generator.normal(scale=10, size=200)
    better = worse + generator.normal(0.5, 0.1, size=200)  # puzzles differ far more than policies
    resamples = Resamples(200, count=300)
    found = resamples.difference(better, worse)
    assert found.low > 0.4
    assert found.high < 0.6
    assert float(found.share_greater) == 1.0
    assert found.mean == pytest.approx((better - worse).mean())
    assert resamples.interval(better).low < resamples.interval(worse).high  # unpaired, they could not be told apart
    assert resamples.difference(worse, better).share_greater == 0.0


def test_one_policy_is_compared_with_all() -> None:
    resamples = Resamples(50, count=40)
    found = resamples.difference(POLICIES, POLICIES[3])
    assert found.mean.tolist() == pytest.approx((POLICIES.mean(1) - POLICIES[3].mean()).tolist())
    assert (found.low[3], found.mean[3], found.high[3], found.share_greater[3]) == (0, 0, 0, 0)


def test_intervals_widen_with_confidence() -> None:
    resamples = Resamples(50, count=400)
    narrow, wide = resamples.interval(POLICIES, 0.5), resamples.interval(POLICIES, 0.99)
    assert (wide.low < narrow.low).all()
    assert (narrow.low < narrow.mean).all()
    assert (narrow.mean < narrow.high).all()
    assert (narrow.high < wide.high).all()


def test_percentiles_by_hand() -> None:
    assert [float(end) for end in percentiles(np.arange(101.0), 0.9)] == pytest.approx([5.0, 95.0])


def test_one_seed_is_no_pooling() -> None:
    resamples = Resamples(50, count=40)
    assert np.array_equal(resamples.means(POLICIES[None]), resamples.means(POLICIES))


def test_seeds_are_drawn_too() -> None:
    """Seeds that differ, and puzzles that do not: all that varies is which seeds were drawn."""
    of_seed = np.array([0.2, 0.5, 0.8])
    found = Resamples(10, count=200).means(np.broadcast_to(of_seed[:, None, None], (3, 2, 10)))
    possible = sorted({round((a + b + c) / 3, 6) for a in of_seed for b in of_seed for c in of_seed})
    assert sorted({round(mean, 6) for mean in found[:, 0]}) == possible
    assert np.array_equal(found[:, 0], found[:, 1])
    assert found[:, 0].var() == pytest.approx(of_seed.var() / 3, rel=0.25)


def test_coverage_of_a_known_mean() -> None:
    """95 % intervals hold the mean of skewed outcomes in about 95 of 100 samples of puzzles."""
    samples = np.random.default_rng(5).exponential(size=(1000, 150))  # each "policy" is a sample of its own; mean 1
    found = Resamples(150, count=400).interval(samples)
    covered = ((found.low <= 1) & (found.high >= 1)).mean()
    assert 0.92 < covered < 0.965
    found = Resamples(150, count=400).interval(samples, confidence=0.8)
    assert 0.76 < ((found.low <= 1) & (found.high >= 1)).mean() < 0.83


def test_coverage_over_seeds_needs_the_seeds() -> None:
    """Seeds and puzzles both vary: pooled intervals cover the mean, those of one's own seeds alone do not."""
    generator = np.random.default_rng(6)
    trials, seeds, puzzles = 400, 8, 60
    effect_of_seed, effect_of_puzzle = (
        generator.normal(size=(seeds, trials, 1)),
        generator.normal(size=(trials, puzzles)),
    )
    values = effect_of_seed + effect_of_puzzle + generator.normal(size=(seeds, trials, puzzles))
    resamples = Resamples(puzzles, count=400)
    pooled, fixed = resamples.interval(values), resamples.interval(values.mean(0))
    assert 0.88 < ((pooled.low <= 0) & (pooled.high >= 0)).mean() < 0.97
    assert ((fixed.low <= 0) & (fixed.high >= 0)).mean() < 0.7


@pytest.mark.parametrize("shape", [(), (49,), (50, 7), (1, 1, 1, 50)])
def test_other_shapes_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"values of 50 puzzles, found"):
        Resamples(50).means(np.zeros(shape))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="at least 1 puzzle and 1 resample, found 0 and 1000"):
        Resamples(0)
    with pytest.raises(ValueError, match="confidence: expected a number between 0 and 1, found 95"):
        Resamples(50).interval(POLICIES, confidence=95)
