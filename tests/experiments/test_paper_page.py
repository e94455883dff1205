"""``experiments.paper_page``: tables and figures of a run in a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.paper_page import COLOURS, Options, main

MARKS = "<!-- begin: small -->\n{}<!-- end: small -->\n"


def options(folder: Path, page: str) -> Options:
    figures = folder / "figures"
    figures.mkdir()
    (figures / "paper.md").write_text("| a |\n| --- |\n| 1 |\n\n![One](fig2.png)\n")
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(figures / "fig2.png")
    (folder / "page.md").write_text(page)
    return Options(figures, folder / "page.md", "small")


def test_tables_and_images_take_the_place_of_the_old_ones(tmp_path: Path) -> None:
    chosen = options(tmp_path, "# Title\n" + MARKS.format("old\n") + "end\n")
    for _ in range(2):
        main(chosen)
    text = (tmp_path / "page.md").read_text()
    assert (
        text
        == "# Title\n" + MARKS.format("\n| a |\n| --- |\n| 1 |\n\n![One](images/paper-small-fig2.png)\n\n") + "end\n"
    )
    with Image.open(tmp_path / "images" / "paper-small-fig2.png") as image:
        assert image.size == (60, 40)
        assert len(image.getcolors() or ()) <= COLOURS


@pytest.mark.parametrize(
    "page", ["# Title\n", "<!-- begin: small -->\n", "<!-- begin: other -->\n<!-- end: other -->\n"]
)
def test_a_page_without_the_place_is_refused(page: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"page\.md: expected the lines <!-- begin: small --> and"):
        main(options(tmp_path, page))
    assert (tmp_path / "page.md").read_text() == page
