"""The options of an agent beside those of its core and of learning, checked when it is built and when it is read."""

from __future__ import annotations

from hrm_agent.halting.exploration import check_exploration
from hrm_env.checks import check_integer, check_number

MOST_STEPS = 2**53
"""The largest count of steps: what JSON and a float hold exactly."""
_MOST_SLOTS = 2**24


def check_agent_options(
    n_envs: object,
    warmup_steps: object,
    lr_min_ratio: object,
    exploration: object,
    exploration_per: object,
    seed: object,
) -> None:
    """Checks types and ranges.

    Raises:
        ValueError: Names the first option that is of another type or out of range.
    """
    if n_envs is not None:
        check_integer("n_envs", n_envs, 1, _MOST_SLOTS)
    check_integer("warmup_steps", warmup_steps, 0, MOST_STEPS)
    check_number("lr_min_ratio", lr_min_ratio, 0, 1)
    check_exploration(exploration, exploration_per)
    if seed is not None:
        check_integer("seed", seed, 0, 2**32 - 1)
