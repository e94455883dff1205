"""The options of an agent beside those of its core and of learning, checked when it is built and when it is read."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from hrm_agent.halting.exploration import check_exploration
from hrm_agent.learning.config import LearnerConfig
from hrm_env.checks import UnknownOptionError, check_flag, check_integer, check_number, shortened
from hrm_env.envs.slots import check_slots

MOST_STEPS = 2**53
"""The largest count of steps: what JSON and a float hold exactly."""


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
        check_slots(n_envs, "n_envs")
    check_integer("warmup_steps", warmup_steps, 0, MOST_STEPS)
    check_number("lr_min_ratio", lr_min_ratio, 0, 1)
    check_exploration(exploration, exploration_per)
    if seed is not None:
        check_integer("seed", seed, 0, 2**32 - 1)


def check_surroundings(
    env_kwargs: object,
    policy_kwargs: object,
    compile: object,
    stats_window_size: object,
    tensorboard_log: object,
    verbose: object,
) -> None:
    """Checks the types of what belongs to the one who builds an agent and not to the agent: no file holds it.

    Raises:
        ValueError: Names the first option that is of another type or out of range.
    """
    for name, options in (("env_kwargs", env_kwargs), ("policy_kwargs", policy_kwargs)):
        if options is not None and not (isinstance(options, Mapping) and all(isinstance(key, str) for key in options)):
            raise ValueError(f"{name}: expected a dict of options by name, found {shortened(options)}")
    if compile is not None:
        check_flag("compile", compile)
    check_integer("stats_window_size", stats_window_size, 1)
    if not isinstance(tensorboard_log, str | Path | None):
        raise ValueError(f"tensorboard_log: expected the path of a folder, found {shortened(tensorboard_log)}")
    check_integer("verbose", verbose, 0)


def known_options(agent: type) -> list[str]:
    """The options of an agent's constructor, those of its `LearnerConfig` included."""
    own = [name for name, parameter in inspect.signature(agent).parameters.items() if parameter.kind != _THE_REST]
    return [*own, *(field.name for field in fields(LearnerConfig) if field.name not in own)]


def check_names(agent: type, names: Iterable[str]) -> None:
    """Refuses options that the constructor of an agent does not have.

    Raises:
        UnknownOptionError: Names the first, and one that is similar.
    """
    known = known_options(agent)
    stranger = next((name for name in names if name not in known), None)
    if stranger is not None:
        raise UnknownOptionError(f"{agent.__name__}()", stranger, known)


_THE_REST = inspect.Parameter.VAR_KEYWORD


def plain(value: Any) -> Any:
    """A number of numpy as Python's own, which JSON can hold; a dict with such numbers likewise."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    return value.item() if isinstance(value, np.generic) else value
