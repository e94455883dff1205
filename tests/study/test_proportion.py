"""The interval of a share, and its exact bound."""

from __future__ import annotations

from math import sqrt

import pytest

from hrm_agent.study.proportion import binomial_tail, clopper_pearson, wilson


@pytest.mark.parametrize(("share", "count"), [(0.5, 10), (0.99, 1000), (0.0, 10), (1.0, 5000), (1.0, 1)])
def test_its_ends_are_the_shares_that_a_test_would_just_accept(share: float, count: int) -> None:
    low, high = wilson(share, count)
    assert 0 <= low <= share <= high <= 1
    for end in {low, high} - {0.0, 1.0}:
        assert abs(share - end) == pytest.approx(1.959964 * sqrt(end * (1 - end) / count), abs=1e-9)
    assert high - low > 0


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 50_000), (3, 10), (7, 2000), (9, 10)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_exact_bound_is_the_share_at_which_so_few_are_as_likely_as_the_error(
    successes: int, trials: int, confidence: float
) -> None:
    bound = clopper_pearson(successes, trials, confidence)
    assert successes / trials < bound < 1 or (confidence == 0.5 and bound < 1)
    assert binomial_tail(successes, trials, bound) == pytest.approx(1 - confidence, rel=1e-6)


def test_the_exact_bound_of_none_is_known_in_closed_form_and_that_of_all_is_1() -> None:
    assert clopper_pearson(0, 50_000) == pytest.approx(1 - 0.05 ** (1 / 50_000), rel=1e-12)
    assert clopper_pearson(3, 10, 0.975) == pytest.approx(
        0.6524529, abs=1e-7
    )  # the upper end of table entries for 95 %
    assert clopper_pearson(5, 5) == clopper_pearson(0, 0) == 1


def test_the_exact_bound_holds_as_often_as_it_says() -> None:
    for trials, share in ((20, 0.1), (300, 0.004), (50, 0.5)):
        probability = [
            binomial_tail(k, trials, share) - (binomial_tail(k - 1, trials, share) if k else 0)
            for k in range(trials + 1)
        ]
        held = sum(p for k, p in enumerate(probability) if clopper_pearson(k, trials) >= share)
        assert held >= 0.95
