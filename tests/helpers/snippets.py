"""What the pages tell the reader to run: fenced blocks, tutorials and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from paths import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
TUTORIALS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "tutorials").glob("*.py"))
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", flags=re.MULTILINE)
COMMAND = re.compile(
    r"(?:^|; do )(?:(?:python|torchrun\b.*?) -m (train|benchmarks(?:\.\w+)?|experiments[\w.]+)"
    r"|(hrm)|(sbatch) .*?\.sbatch)(?![\w.])"
)
MODULES = {"hrm": ["train"], "sbatch": ["train", "fit"]}  # commands that are not named by their module
TO_FILL_IN = re.compile(r"[A-Z]+|\$\w+")


@dataclass(frozen=True)
class Block:
    """A fenced block, or a tutorial, which is one block.

    Attributes:
        page: Page of the block.
        line: Line of the page where its text begins.
        language: Word after the opening fence.
        text: Text between the fences.
    """

    page: str
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    """Returns the blocks of all pages."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text()
        for match in FENCE.finditer(text):
            found.append(Block(page, text[: match.start(2)].count("\n") + 1, match[1], match[2]))
    return found


def tutorials() -> list[Block]:
    """Returns the tutorials, each as one block."""
    return [Block(page, 1, "python", (ROOT / page).read_text()) for page in TUTORIALS]


def commands() -> dict[tuple[str, ...], str]:
    """Returns the commands of all pages, as module and arguments, each with its first line."""
    found: dict[tuple[str, ...], str] = {}
    for page in PAGES + TUTORIALS:
        text = (ROOT / page).read_text().replace("\\\n", "  ")
        for number, line in enumerate(text.splitlines(), start=1):
            for command in _commands_of(line):
                found.setdefault(command, f"{page}:{number}")
    return found


def _commands_of(line: str) -> Iterator[tuple[str, ...]]:
    """Yields the commands of a line of shell, or in backquotes.

    The words after ``--`` are a command of fit. A command that prose names without options asks for its help.
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
    """Yields the words of a command, without those in brackets and with 1 for a placeholder."""
    reader = shlex.shlex(re.sub(r"\[.*?\]", "", text), posix=True, punctuation_chars=";&|")
    reader.whitespace_split = True
    for word in takewhile(lambda word: not set(word) <= set(";&|"), reader):
        yield "1" if TO_FILL_IN.fullmatch(word) else word
