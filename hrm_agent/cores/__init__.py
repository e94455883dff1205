"""Reasoning cores, by name."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from hrm_agent.config import CoreConfig
from hrm_agent.cores.carry import Carry
from hrm_agent.cores.core import PuzzleShape, ReasoningCore, SegmentOutput
from hrm_agent.cores.gru import GRUCore
from hrm_agent.cores.hrm import HRMCarry, HRMCore
from hrm_agent.cores.lattice import LatticeCore
from hrm_agent.cores.rnn import RecurrentTransformerCore, RNNCore, TransformerCore
from hrm_agent.cores.trm import TRMCore
from hrm_env.checks import UnknownOptionError, shortened

__all__ = [
    "CORES",
    "Carry",
    "CoreConfig",
    "HRMCarry",
    "HRMCore",
    "LatticeCore",
    "PuzzleShape",
    "ReasoningCore",
    "SegmentOutput",
    "TRMCore",
    "core_config",
    "make_core",
    "register_core",
]

CORES: dict[str, type[ReasoningCore]] = {}
"""The registered cores, by name."""

Core = TypeVar("Core", bound=type[ReasoningCore])


def register_core(core: Core) -> Core:
    """Makes a core known by the name of its config: to agents, presets and checkpoints.

    Args:
        core: A class whose constructor takes a `PuzzleShape` and the core's config, an object of ``config_class``: a
            frozen dataclass, derived from `CoreConfig`, of values that JSON can hold.

    Returns:
        The same class: this is a decorator.

    Raises:
        ValueError: The class has no such config, or another core has its name.
    """
    config = getattr(core, "config_class", None)
    if not (isinstance(config, type) and issubclass(config, CoreConfig) and is_dataclass(config)):
        raise ValueError(f"core {core.__name__}: expected config_class = a dataclass derived from CoreConfig")
    name, known = getattr(config, "name", None), CORES.get(getattr(config, "name", ""))
    if not (isinstance(name, str) and re.fullmatch(r"[\w-]{1,64}", name, re.ASCII)):
        raise ValueError(f"core {core.__name__}: expected a name of up to 64 letters and digits, found {name!r}")
    if known is not None and (known.__module__, known.__qualname__) != (core.__module__, core.__qualname__):
        raise ValueError(f"core: expected a name of its own, found {name!r}, which {known.__module__} has registered")
    CORES[name] = core
    return core


for _core in (HRMCore, TRMCore, LatticeCore, TransformerCore, RecurrentTransformerCore, RNNCore, GRUCore):
    register_core(_core)


def core_class(core: Any) -> type[ReasoningCore]:
    """Returns the registered core of a name.

    Raises:
        ValueError: No core has that name.
    """
    if not isinstance(core, str) or core not in CORES:
        advice = "; import the module that registers it" if isinstance(core, str) else ""
        raise ValueError(f"core: expected one of {', '.join(CORES)}, found {shortened(core)}{advice}")
    return CORES[core]


def core_config(core: str = "hrm", **options: Any) -> CoreConfig:
    """Returns the options of a core, checked.

    Args:
        core: A name of `CORES`.
        **options: The core's options, as its config class lists them.

    Raises:
        UnknownOptionError: An option is unknown; names one that is similar.
        ValueError: The name is unknown, or an option of another type or out of range.
    """
    config_class = core_class(core).config_class
    known = [field.name for field in fields(config_class)]
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise UnknownOptionError(f"core {core!r}", unknown, known)
    return config_class(**options)


def make_core(shape: PuzzleShape, /, core: str = "hrm", **options: Any) -> ReasoningCore:
    """Builds a core.

    Args:
        shape: The puzzle's sizes.
        core: A name of `CORES`.
        **options: The core's options, as its config class lists them.

    Raises:
        UnknownOptionError: An option is unknown; names one that is similar.
        ValueError: The name is unknown, or an option of another type or out of range.
    """
    config = core_config(core, **options)
    return CORES[core](shape, config)
