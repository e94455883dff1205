"""The site: its reference holds every public name once, and its navigation every page."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module

from paths import ROOT

DOCS = ROOT / "docs"
NAVIGATION = Counter(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE))


def test_the_reference_holds_every_public_name_once() -> None:
    pages = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    public = [f"{package}.{name}" for package in ("hrm_env", "hrm_agent") for name in import_module(package).__all__]
    assert Counter(re.findall(r"^::: (.*)$", pages, flags=re.MULTILINE)) == Counter(public)


def test_the_navigation_holds_every_page_once() -> None:
    outside = {"index.md": "README.md"}  # the others are source/PATH
    own = {page for page in NAVIGATION if page not in outside and not page.startswith("source/")}
    written = [*DOCS.rglob("*.md"), *(page.with_suffix(".md") for page in (DOCS / "tutorials").glob("*.py"))]
    assert own == {str(page.relative_to(DOCS)) for page in written}
    for page in set(NAVIGATION) - own:
        assert (ROOT / outside.get(page, page.removeprefix("source/"))).is_file()
    assert set(NAVIGATION.values()) == {1}
