"""Hook of MkDocs: files outside docs/ that a page links to become pages, too, and formulas become MathML."""

from __future__ import annotations

import html
import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from latex2mathml.converter import convert
from live_files import MissingError, live_files
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OWN = "docs/hook.py"  # name of this hook
ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<=\]\()[^)#:\s]+")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', flags=re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds README.md as the front page, every file that a page links to, and what the live page needs."""
    own = {f"docs/{page.src_uri}": page.content_string for page in files.documentation_pages()}
    sources = ["README.md", *own]
    for source in sources:  # grows
        text = own.get(source) or (ROOT / source).read_text(encoding="utf-8")
        if not source.endswith(".md"):
            text = f"---\nsearch: {{exclude: true}}\n---\n# {source}\n\n````{Path(source).suffix[1:]}\n{text}\n````\n"
        else:
            linked = {path for link in LINK.findall(text) if (path := _path(link, source))}
            sources += sorted(path for path in linked - {*sources} if not path.startswith("docs/"))
            text = _for_site(text, source)
        if not source.startswith("docs/"):
            files.append(File.generated(config, _page(source), content=text))
    try:
        made = live_files()
    except MissingError as error:
        raise PluginError(str(error)) from error
    for name, path in made.items():
        files.append(File.generated(config, f"live/{name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Turns links to other files of the repository into links to their pages."""
    return markdown if page.file.generated_by == OWN else _for_site(markdown, f"docs/{page.file.src_uri}")


def on_page_content(content: str, **_: object) -> str:
    """Writes formulas as MathML, which browsers draw without a script."""
    kinds = {"span": "inline", "div": "block"}
    return FORMULA.sub(lambda found: convert(html.unescape(found[2]), display=kinds[found[1]]), content)


def _path(link: str, source: str) -> str | None:
    """Returns the path in the repository of what a file links to, or None if there is no such file."""
    path = normpath(join(dirname(source), link))
    return path if (ROOT / path).is_file() else None


def _page(path: str) -> str:
    """Returns the path in the site of a file of the repository."""
    if path.startswith("docs/"):
        return re.sub(r"\.py$", ".md", path.removeprefix("docs/"))  # the page of a tutorial
    return "index.md" if path == "README.md" else f"source/{path.removesuffix('.md')}.md"


def _for_site(text: str, source: str) -> str:
    """Rewrites the links of a file of the repository for its page."""

    def rewritten(found: re.Match[str]) -> str:
        path = _path(found[0], source)
        return relpath(_page(path), dirname(_page(source)) or ".") if path else found[0]

    return LINK.sub(rewritten, text)
