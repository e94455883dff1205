"""The depth curriculum: stages in which the cycles of a segment grow over a run."""

from __future__ import annotations

import math
from itertools import pairwise
from operator import index
from typing import Any

from hrm_agent.limits import check_passes
from hrm_env.checks import shortened

Depth = tuple[tuple[float, int, int], ...]
"""Stages (share of the run at which it begins, cycles N, steps T) of a depth curriculum; none for full depth always."""


def depth_stages(depth: Any) -> Depth:
    """A depth curriculum out of any sequences, such as JSON's lists.

    Raises:
        ValueError: It is none, or a stage is too much work.
    """
    try:
        stages = tuple((float(start), index(cycles), index(steps)) for start, cycles, steps in depth)
    except (TypeError, ValueError, OverflowError):  # this is how Python says that they are no such numbers
        stages = ((math.nan, 0, 0),)  # refused below
    borders = [*(stage[0] for stage in stages), 1.0]
    ordered = all(before < after for before, after in pairwise(borders))
    if stages and not (borders[0] == 0 and ordered and all(min(stage[1:]) >= 1 for stage in stages)):
        raise ValueError(
            "depth: expected stages (share of the run, N, T) of which the first begins at 0 and each later one later, "
            f"below 1, found {shortened(depth)}"
        )
    for _, cycles, steps in stages:
        check_passes("depth", cycles * steps)
    return stages


def check_depth(depth: Depth, full: tuple[int, int] | None) -> None:
    """Refuses a depth curriculum that does not end at a core's full depth.

    Args:
        depth: Its stages, or none.
        full: The core's cycles N and steps T; None for a core without cycles.

    Raises:
        ValueError: The last stage is another, or the core has no cycles.
    """
    if depth and full is None:
        raise ValueError(f"depth: expected none for a core without cycles, found {shortened(depth)}")
    if depth and depth[-1][1:] != full:
        raise ValueError(
            f"depth: expected the last stage to be the core's h_cycles and l_cycles {full}, found {depth[-1][1:]}"
        )
