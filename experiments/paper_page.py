"""Put what ``train figures --paper`` wrote into a page of the documentation, so that no number is typed by hand.

    python -m experiments.paper_page --figures runs/paper --page docs/paper.md --name 4x4

The page holds the lines ``<!-- begin: 4x4 -->`` and ``<!-- end: 4x4 -->``; what lies between them is replaced by the
tables of ``paper.md``. The figures are copied to ``images`` beside the page, as small PNG files.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hrm_env.files import atomic_write
from train.options import read_options
from train.running import exit_status

COLOURS = 256
"""Colours of a figure: enough for its few lines with smooth edges, at a third of the size."""


@dataclass(frozen=True)
class Options:
    """Put figures and tables into a page.

    Attributes:
        figures: Folder that ``train figures --paper`` wrote.
        page: The page.
        name: Name of the place in the page, and the beginning of the images' names.
    """

    figures: Path = Path("runs/paper")
    page: Path = Path("docs/paper.md")
    name: str = "4x4"


def main(options: Options) -> None:
    """Writes the page and its images.

    Raises:
        ValueError: The page has no such place.
    """
    text = options.page.read_text()
    begin, end = (f"<!-- {which}: {options.name} -->\n" for which in ("begin", "end"))
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{options.page}: expected the lines {begin.strip()} and {end.strip()}, found one or none")

    def copied(link: re.Match[str]) -> str:
        name = f"paper-{options.name}-{link[1]}"
        save_small(options.figures / link[1], options.page.parent / "images" / name)
        return f"](images/{name})"

    tables = re.sub(r"\]\(([\w-]+\.png)\)", copied, (options.figures / "paper.md").read_text())
    with atomic_write(options.page) as file:
        file.write(f"{before}{begin}\n{tables}\n{end}{after}".encode())


def save_small(source: Path, target: Path) -> None:
    """Writes a figure with few colours."""
    with Image.open(source) as image, atomic_write(target) as file:
        small = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        small.save(file, format="png", optimize=True)


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(read_options(Options, sys.argv[1:])), sys.argv[1:]))
