"""``python -m train demo``: train the small default, then see it solve puzzles it has never met."""

from __future__ import annotations

from pathlib import Path

from train import watch
from train.fit import fit, parse


def main(arguments: list[str]) -> None:
    """As ``fit``, then as ``watch``."""
    options = parse(arguments, "demo")
    fit(options)
    out = Path(options.out.format(preset=options.preset, seed=options.seed))
    watch.main(["--checkpoint", str(out), "--pause", "0.3"])
