"""``python -m train demo``: train the small default, then see it solve puzzles it has never met."""

from __future__ import annotations

from train import watch
from train.fit import fit, parse
from train.resume import stopping


def main(arguments: list[str]) -> None:
    """As ``fit``, then as ``watch``."""
    with stopping("demo", arguments):
        out = fit(parse(arguments, "demo"))
    watch.main(["--checkpoint", str(out), "--pause", "0.3"])
