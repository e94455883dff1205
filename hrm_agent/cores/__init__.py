"""Reasoning cores, by name. A new core is one file and one line here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hrm_agent.cores.core import Carry, PuzzleShape, ReasoningCore, SegmentOutput
from hrm_agent.cores.hrm import HRMConfig, HRMCore
from hrm_agent.cores.trm import TRMConfig

CORES: dict[str, tuple[type[HRMCore], type[HRMConfig]]] = {
    config.name: (HRMCore, config) for config in (HRMConfig, TRMConfig)
}

__all__ = ["CORES", "Carry", "PuzzleShape", "ReasoningCore", "SegmentOutput", "make_core"]


def make_core(shape: PuzzleShape, core: str = "hrm", **options: Any) -> ReasoningCore:
    """Builds a core.

    Args:
        shape: The puzzle's sizes.
        core: A name of `CORES`.
        **options: The core's options, as its config class lists them.

    Raises:
        ValueError: The name or an option is unknown or out of range.
    """
    if core not in CORES:
        raise ValueError(f"core: expected one of {sorted(CORES)}, found {core!r}")
    core_class, config_class = CORES[core]
    known = [field.name for field in fields(config_class)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"core {core!r}: unknown option {unknown[0]!r}; its options are {', '.join(known)}")
    return core_class(shape, config_class(**options))
