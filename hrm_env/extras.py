"""Packages that only some of us need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gymnasium.error import DependencyNotInstalled


def optional(module: str, extra: str) -> Any:
    """Imports a module of one of this package's extras.

    Args:
        module: Such as ``"pygame"``.
        extra: Name of the extra that installs it.

    Raises:
        DependencyNotInstalled: It is not there; the message says what to type.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise DependencyNotInstalled(f"{module}: not installed; type: pip install 'hrm-gym[{extra}]'") from error
