"""Limits on the work and the memory that the options of an agent ask for: they hold when it is built and when read."""

from __future__ import annotations

MOST_OF_A_KIND = 2**16
"""The largest width, number of layers, heads, positions or cycles of a core."""
MOST_PASSES = 2**14
"""Blocks that a row passes through in one segment, at most."""
MOST_WORK = 2**22
"""Blocks that all views of a puzzle pass through up to its budget, at most."""
MOST_STATE = 2**24
"""Numbers in the hidden state, z_H or z_L, of all views of a puzzle, at most."""


def check_passes(name: str, passes: int) -> None:
    """Refuses options with which a single segment would be endless.

    Args:
        name: Of the options, as the caller typed them.
        passes: Blocks that a row passes through in a segment.

    Raises:
        ValueError: They are more than `MOST_PASSES`.
    """
    if passes > MOST_PASSES:
        raise ValueError(f"{name}: expected at most {MOST_PASSES:,} passes through a block a segment, found {passes:,}")


def check_thinking(halting: str, views: int, segments: int, passes: int, state: int) -> None:
    """Refuses a halting policy with which one puzzle would take too long, or too much memory.

    Args:
        halting: The policy's name, for errors.
        views: Rows that think about one puzzle.
        segments: The budget M_max.
        passes: Blocks that a row passes through in a segment.
        state: Numbers in the hidden state of a row.

    Raises:
        ValueError: They pass more blocks than `MOST_WORK`, or have more numbers than `MOST_STATE`.
    """
    if views * segments * passes > MOST_WORK:
        raise ValueError(
            f"halting {halting!r}: expected at most {MOST_WORK:,} passes through a block for one puzzle, found "
            f"{passes:,} a segment in {segments:,} segments of {views:,} views"
        )
    if views * state > MOST_STATE:
        raise ValueError(
            f"halting {halting!r}: expected at most {MOST_STATE:,} numbers of hidden state for one puzzle, found "
            f"{state:,} in each of {views:,} views"
        )
