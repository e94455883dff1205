"""Ranges of wanted ratings, and puzzles drawn until enough of them lie in the range."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_env.checks import check_integer
from hrm_env.puzzles import Puzzles, concatenate

_DRAWN = 64, 2048  # smallest and largest number of puzzles drawn at a time
_LEAST_KEPT = 1 / 1024  # share of the drawn puzzles; below it, the request is refused


class Range(NamedTuple):
    """Range of wanted ratings, inclusive."""

    low: int
    high: int | None

    def __str__(self) -> str:
        """Returns the text for messages."""
        return f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"

    def distance(self, rating: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Returns the distance of ratings from the range, 0 inside."""
        above = 0 if self.high is None else rating - self.high
        return np.maximum(0, np.maximum(self.low - rating, above))


def rating_range(min_rating: int, max_rating: int | None, hardest: int) -> Range:
    """Returns the range of two options of a generator.

    Args:
        min_rating: Smallest rating wanted, 0 to ``hardest``.
        max_rating: Largest rating wanted; None sets no bound.
        hardest: Largest ``min_rating`` allowed.

    Raises:
        ValueError: An option is out of range.
    """
    check_integer("min_rating", min_rating, 0, hardest)
    if max_rating is not None and check_integer("max_rating", max_rating, high=2**31 - 1) < min_rating:
        raise ValueError(f"max_rating: expected at least min_rating, which is {min_rating}, found {max_rating}")
    return Range(min_rating, max_rating)


def draw_rated(draw: Callable[[int], Puzzles], count: int, wanted: Range) -> Puzzles:
    """Draws puzzles and keeps those of wanted ratings until there are enough.

    Args:
        draw: Function that generates about as many puzzles as it is asked for.
        count: Number of puzzles.
        wanted: Range of ratings.

    Raises:
        ValueError: Almost no puzzle has a wanted rating.
    """
    fewest, most = _DRAWN
    kept: list[Puzzles] = []
    made = tried = 0
    while made < count:
        drawn = draw(min(max(count - made, fewest), most))
        kept.append(drawn[wanted.distance(drawn.rating) == 0])
        tried, made = tried + len(drawn), made + len(kept[-1])
        if made < tried * _LEAST_KEPT and tried >= 2 / _LEAST_KEPT:
            raise ValueError(
                f"min_rating, max_rating: only {made} of {tried} puzzles have a rating of {wanted}; ask for others"
            )
    return concatenate(kept)[:count]
