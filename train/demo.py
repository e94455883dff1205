"""``python -m train demo``: train the small default, then see it solve puzzles it has never met."""

from __future__ import annotations

from . import watch
from .fit import fit, parse
from .resume import stopping


def main(arguments: list[str]) -> None:
    """As ``fit``, then as ``watch``."""
    with stopping("demo", arguments):
        out = fit(parse(arguments, "demo"))
    watch.main(["--checkpoint", str(out), "--pause", "0.3"])
