"""Links between pages, files and anchors, as a code host shows them; `make docs` checks those of the site."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from paths import ROOT

READER = MarkdownIt().enable("table")
PAGES = [
    *ROOT.glob("*.md"),
    *(page for folder in (".github", "checkpoints", "docs", "examples") for page in (ROOT / folder).rglob("*.md")),
]


def anchors(text: str) -> set[str]:
    """The anchors of a page, as GitHub makes them from headings."""
    found: Counter[str] = Counter()
    names = set()
    tokens = READER.parse(text)
    for opening, heading in pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(child.content for child in heading.children or () if child.type in ("text", "code_inline"))
            name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            names.add(f"{name}-{found[name]}" if found[name] else name)
            found[name] += 1
    return names


def links(text: str) -> list[str]:
    """What a page links to or shows, pictures in HTML included."""

    def of(token: Token) -> list[str]:
        if "html" in token.type:
            return re.findall(r'(?:href|src)="([^"]*)"', token.content)
        own = [str(token.attrs[name]) for name in ("href", "src") if name in token.attrs]
        return own + [link for child in token.children or () for link in of(child)]

    return [link for token in READER.parse(text) for link in of(token)]


def dead(page: Path, text: str) -> list[str]:
    """The links of a page's text within the repository that lead nowhere."""
    found = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link) is None and not (
            target.is_relative_to(ROOT)
            and target.exists()
            and (not anchor or anchor in anchors(text if target == page else target.read_text()))
        ):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    assert not dead(page, page.read_text())


def test_dead_links_are_found() -> None:
    text = """# A `b` & c, d\n# Twice\n# Twice\n[1](#a-b--c-d) [2](#twice-1) [3](#twice-2)
[4](no.md) ![5](no.png) [6](README.md#no)
`[7](no.md)` [8](docs/study.md#options) [9](https://no.example) <img src="no.svg"> [10](../outside)\n"""
    assert dead(ROOT / "CHANGELOG.md", text) == ["#twice-2", "no.md", "no.png", "README.md#no", "no.svg", "../outside"]
