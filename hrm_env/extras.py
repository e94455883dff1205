"""Imports that wait: public names on their first use, and optional packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from gymnasium.error import DependencyNotInstalled


def late_names(package: str, homes: Mapping[str, Sequence[str]]) -> tuple[list[str], Callable[[str], Any]]:
    """Returns the names that a package imports on their first use, and its function ``__getattr__``, which does it.

    Args:
        package: Name of the package.
        homes: The names that each module of the package holds, such as ``{"halting": ["make as make_policy"]}``.
    """
    pairs = [(module, *name.split(" as ")) for module, names in homes.items() for name in names]
    places = {names[-1]: (f"{package}.{module}", names[0]) for module, *names in pairs}

    def attribute(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, original = places[name]
        return getattr(import_module(module), original)

    return list(places), attribute


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
