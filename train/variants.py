"""Variants: ways to train that are compared with each other, each a name and options of ``fit``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hrm_env.checks import UnknownOptionError

from .fit import parse
from .presets import Fit


@dataclass(frozen=True)
class Variant:
    """A way to train.

    Attributes:
        options: Options of ``fit`` that differ from the preset; ``{budget}`` stands for the run's ``max_segments``.
        judged: Halting policy that judges it; empty for the policy it is trained with.
    """

    options: str = ""
    judged: str = ""


def variants_from(texts: Sequence[str]) -> dict[str, Variant]:
    """Returns the variants that ``--variant`` names, each ``name=options``.

    Raises:
        ValueError: A text is not of that form, or two have the same name.
    """
    variants: dict[str, Variant] = {}
    for text in texts:
        name, equals, options = text.partition("=")
        if not name or not equals:
            raise ValueError(f"--variant: expected name=options, found {text!r}")
        if name in variants:
            raise ValueError(f"--variant: expected a different name for each, found {name!r} twice")
        variants[name] = Variant(options)
    return variants


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Names the variant in every error of its options that is raised within."""
    try:
        yield
    except (ValueError, UnknownOptionError) as error:
        raise ValueError(f"variant {name!r}: {error}") from error


def options_of_variant(folder: Path, name: str, variant: Variant, seed: int, shared: Sequence[str]) -> Fit:
    """Returns all options of a run, which resumes what its folder holds.

    Args:
        folder: Folder of the comparison; the run has a folder of its own in it.
        name: Name of the variant.
        variant: Its options come after those shared.
        seed: Seed of the run.
        shared: Options of ``fit`` for every run.

    Raises:
        ValueError: An option is unknown or its value is bad; or the name cannot be that of a folder.
    """
    own_folder = folder / f"{name.replace(' ', '-')}-seed{seed}"
    fixed = ["--seed", str(seed), "--out", str(own_folder), "--resume"]

    def options(budget: int) -> Fit:
        own = shlex.split(variant.options.replace("{budget}", str(budget)))
        return parse([*shared, *own, *fixed], "fit")

    if not re.fullmatch(r"\w[\w .,+=:-]*", name):
        raise ValueError(f"variant: expected a name of letters, digits, spaces and .,+=:-, found {name!r}")
    return options(options(1).data.max_segments)  # the preset, the shared options and its own may set the budget
