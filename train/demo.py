"""``python -m train demo``: train the small default, then see it solve puzzles it has never met."""

from __future__ import annotations

from . import watch
from .fit import parse


def main(arguments: list[str]) -> None:
    """As ``fit``, then as ``watch``."""
    options = parse(arguments, "demo")
    from .resume import stopping
    from .training import fit

    with stopping("demo", arguments):
        out = fit(options)
    watch.main(["--checkpoint", str(out), "--pause", "0.3"])
