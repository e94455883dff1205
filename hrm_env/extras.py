"""Imports of optional packages."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gymnasium.error import DependencyNotInstalled


def optional(module: str, extra: str) -> Any:
    """Imports a module that one of this package's extras installs.

    Args:
        module: The module, such as ``"pygame"``.
        extra: Name of the extra that installs it.

    Raises:
        DependencyNotInstalled: The module is missing; the message says what to type.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise DependencyNotInstalled(f"{module}: not installed; type: pip install 'hrm-gym[{extra}]'") from error
