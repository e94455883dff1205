"""Limits on the work and the memory that the options of an agent ask for, when it is built and when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hrm_agent.cores.core import ReasoningCore
    from hrm_agent.halting.policy import HaltingPolicy

MOST_OF_A_KIND = 2**14
"""The largest width, number of layers, heads, positions or cycles of a core."""
MOST_PASSES = 2**14
"""The most blocks that a row passes through in a segment."""
MOST_VIEWS = 2**10
"""The most views of a puzzle; the time to tell them apart grows with their square."""
MOST_WORK = 2**22
"""The most blocks that all views of a puzzle pass through up to its budget."""
MOST_STATE = 2**24
"""The most numbers in a part of the hidden state of all views of a puzzle."""


def check_passes(name: str, passes: int) -> None:
    """Refuses options with which a segment would take too long.

    Args:
        name: Names of the options, as the caller typed them.
        passes: Blocks that a row passes through in a segment.

    Raises:
        ValueError: They are more than `MOST_PASSES`.
    """
    if passes > MOST_PASSES:
        raise ValueError(f"{name}: expected at most {MOST_PASSES:,} passes through a block a segment, found {passes:,}")


def check_thinking(halting: HaltingPolicy, segments: int, core: ReasoningCore) -> None:
    """Refuses a halting policy with which one puzzle would take too long, or too much memory.

    Args:
        halting: The policy.
        segments: The budget M_max.
        core: The network, on any device.

    Raises:
        ValueError: Its views are more than `MOST_VIEWS`, pass more blocks than `MOST_WORK`, or have a state of more
            numbers than `MOST_STATE`.
    """
    views, state = halting.views, core.state_size
    if views > MOST_VIEWS:
        raise ValueError(f"halting {halting.name!r}: expected at most {MOST_VIEWS:,} views, found {views:,}")
    if views * segments * core.passes > MOST_WORK:
        raise ValueError(
            f"halting {halting.name!r}: expected at most {MOST_WORK:,} passes through a block for one puzzle, found "
            f"{core.passes:,} a segment, {segments:,} segments and {views:,} views"
        )
    if views * state > MOST_STATE:
        raise ValueError(
            f"halting {halting.name!r}: expected at most {MOST_STATE:,} numbers of hidden state for one puzzle, found "
            f"{state:,} in each of {views:,} views"
        )
