"""What the pages tell the reader to run: fenced blocks, and commands of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from paths import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", flags=re.MULTILINE)
COMMAND = re.compile(
    r"(?:^|; do )(?:(?:python|torchrun\b.*?) -m (train|benchmarks(?:\.\w+)?|experiments[\w.]+)"
    r"|(hrm)|(sbatch) .*?\.sbatch)(?![\w.])"
)
MODULES = {"hrm": ["train"], "sbatch": ["train", "fit"]}  # of what is not named by its module
TO_FILL_IN = re.compile(r"[A-Z]+|\$\w+")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Its page.
        line: Line of the page where its text begins.
        language: What stands behind the fence.
        text: What is between the fences.
    """

    page: str
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    """The blocks of all pages."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text()
        for match in FENCE.finditer(text):
            found.append(Block(page, text[: match.start(2)].count("\n") + 1, match[1], match[2]))
    return found


def commands() -> dict[tuple[str, ...], str]:
    """The commands of all pages, as module and arguments, each with the line where it stands first."""
    found: dict[tuple[str, ...], str] = {}
    for page in PAGES:
        text = (ROOT / page).read_text().replace("\\\n", "  ")
        for number, line in enumerate(text.splitlines(), start=1):
            for command in _commands_of(line):
                found.setdefault(command, f"{page}:{number}")
    return found


def _commands_of(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line of shell, or in backquotes.

    What stands behind ``--`` is a command of fit. Prose may name a command without its options: it asks for its help.
    """
    in_prose = "`" in line and not line.startswith("    ")
    for text in re.findall(r"`([^`]+)`", line) if in_prose else [line.strip()]:
        for start in COMMAND.finditer(text):
            words = list(_words(text[start.end() :]))
            name = next(filter(None, start.groups()))
            if "--" in words:
                place = words.index("--")
                yield ("train", "fit", *words[place + 1 :])
                words = words[:place]
            if in_prose and not any(word.startswith("--") for word in words):
                words.append("--help")
            yield (*MODULES.get(name, [name]), *words)


def _words(text: str) -> Iterator[str]:
    """The words up to the command's end, without what is in brackets, a 1 in place of what the reader is to fill in."""
    reader = shlex.shlex(re.sub(r"\[.*?\]", "", text), posix=True, punctuation_chars=";&|")
    reader.whitespace_split = True
    for word in takewhile(lambda word: not set(word) <= set(";&|"), reader):
        yield "1" if TO_FILL_IN.fullmatch(word) else word
