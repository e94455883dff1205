"""The interval of a share."""

from __future__ import annotations

from math import sqrt

import pytest

from hrm_agent.study.proportion import wilson


@pytest.mark.parametrize(("share", "count"), [(0.5, 10), (0.99, 1000), (0.0, 10), (1.0, 5000), (1.0, 1)])
def test_its_ends_are_the_shares_that_a_test_would_just_accept(share: float, count: int) -> None:
    low, high = wilson(share, count)
    assert 0 <= low <= share <= high <= 1
    for end in {low, high} - {0.0, 1.0}:
        assert abs(share - end) == pytest.approx(1.959964 * sqrt(end * (1 - end) / count), abs=1e-9)
    assert high - low > 0
