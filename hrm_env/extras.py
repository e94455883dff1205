"""Imports that wait: public names on their first use, and optional packages."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from inspect import getsource
from typing import Any

from gymnasium.error import DependencyNotInstalled


def late_names(package: str) -> tuple[list[str], Callable[[str], Any]]:
    """Returns the names that a package imports on their first use, and its function ``__getattr__``, which does it.

    They are the imports of the form ``from m import x as x`` in the source of the package. Those stand below
    ``if TYPE_CHECKING:``, where type checkers and editors read them, and no program runs them.

    Args:
        package: Name of the package.
    """
    found = [node for node in ast.walk(ast.parse(getsource(sys.modules[package]))) if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: str(node.module) for node in found for alias in node.names if alias.name == alias.asname}

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return list(homes), attribute


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
