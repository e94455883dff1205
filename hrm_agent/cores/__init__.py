"""Reasoning cores, by name. A new core is one file and one line here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hrm_agent.config import HRMConfig, TRMConfig
from hrm_agent.cores.core import Carry, PuzzleShape, ReasoningCore, SegmentOutput
from hrm_agent.cores.hrm import HRMCore
from hrm_env.checks import UnknownOptionError, check_choice

CORES: dict[str, tuple[type[HRMCore], type[HRMConfig]]] = {
    config.name: (HRMCore, config) for config in (HRMConfig, TRMConfig)
}

__all__ = ["CORES", "Carry", "PuzzleShape", "ReasoningCore", "SegmentOutput", "core_config", "make_core"]


def core_config(core: str = "hrm", **options: Any) -> HRMConfig:
    """Returns the options of a core, checked.

    Args:
        core: A name of `CORES`.
        **options: The core's options, as its config class lists them.

    Raises:
        UnknownOptionError: An option is unknown; names one that is similar.
        ValueError: The name is unknown, or an option of another type or out of range.
    """
    config_class = CORES[check_choice("core", core, CORES)][1]
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
    return CORES[core][0](shape, config)
