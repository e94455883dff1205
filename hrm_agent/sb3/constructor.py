"""The keywords that the constructor of an agent takes: those of `AgentConfig`, and those that no file holds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hrm_agent.config import AgentConfig
from hrm_env.checks import check_flag, check_integer, check_known, shortened

Constructor = TypeVar("Constructor", bound=Callable[..., None])
_THE_REST = inspect.Parameter.VAR_KEYWORD


def takes_agent_options(constructor: Constructor) -> Constructor:
    """Shows every option of `AgentConfig`, with its default, in the signature of a constructor with ``**options``."""
    signature = inspect.signature(constructor)
    shown = [parameter for parameter in signature.parameters.values() if parameter.kind != _THE_REST]
    shown += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=type(default))
        for name, default in AgentConfig().by_name().items()
        if name not in signature.parameters
    ]
    setattr(constructor, "__signature__", signature.replace(parameters=shown))  # noqa: B010  # mypy knows no such attribute
    return constructor


def known_options(agent: type) -> list[str]:
    """Returns the options of an agent's constructor, those of `AgentConfig` included."""
    own = [name for name, parameter in inspect.signature(agent).parameters.items() if parameter.kind != _THE_REST]
    return [*own, *(name for name in AgentConfig.names() if name not in own)]


def check_names(agent: type, names: Iterable[str]) -> None:
    """Refuses options that the constructor of an agent does not have.

    Raises:
        UnknownOptionError: Names the first, and one that is similar.
    """
    check_known(f"{agent.__name__}()", names, known_options(agent))


def check_surroundings(
    env_kwargs: object,
    policy_kwargs: object,
    compile: object,
    stats_window_size: object,
    tensorboard_log: object,
    verbose: object,
) -> None:
    """Checks the types of the options that belong to the caller and not to the agent: no file holds them.

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


def plain(value: Any) -> Any:
    """Returns a number of numpy as Python's own, which JSON can hold; a dict with such numbers likewise."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    return value.item() if isinstance(value, np.generic) else value
