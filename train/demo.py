"""``python -m train demo``: train the small default, then see it solve puzzles it has never met."""

from __future__ import annotations

from dataclasses import replace

from . import watch
from .fit import parse
from .program import program


def main(arguments: list[str]) -> None:
    """As ``fit --resume``, then as ``watch``: what is trained already is watched at once."""
    options = parse(arguments, "demo")
    options = replace(options, resume=options.resume or not options.restart)
    from .resume import stopping
    from .training import fit

    with stopping(program("demo"), arguments, "--resume"):
        out = fit(options)
    watch.main(["--checkpoint", str(out), "--pause", "0.3"])
