"""The report of ``data inspect`` as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console

from .tables import table


def print_report(report: dict[str, Any]) -> None:
    """Prints the report of `inspected` as tables."""
    console = Console()
    parts, names = report["parts"], list(report["parts"])
    figures = ([name.replace("_", " "), *_counts(part[name] for part in parts.values())] for name in parts[names[0]])
    console.print(table([report["task"], *names], figures))
    if report["shared"]:
        pairs = (
            [" and ".join(pair["between"]), *_counts((pair["puzzles"], pair["puzzles_up_to_symmetry"]))]
            for pair in report["shared"]
        )
        console.print(table(["in both", "exactly", "up to symmetry"], pairs))
    for title in ("clues", "rating"):
        if title in report:
            bins = ([_bounds(each), *_counts(each["counts"].values())] for each in report[title])
            console.print(table([title, *names], bins))


def _bounds(each: dict[str, Any]) -> str:
    return str(each["from"]) if each["from"] == each["to"] else f"{each['from']} to {each['to']}"


def _counts(numbers: Iterable[int]) -> list[str]:
    return [f"{number:,}" for number in numbers]
