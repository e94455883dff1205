"""The report of ``data inspect`` as tables."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_report(report: dict[str, Any]) -> None:
    """Prints what `inspected` found as tables."""
    console = Console()
    names = list(report["parts"])
    figures = _table(report["task"], *names)
    for figure in report["parts"][names[0]]:
        figures.add_row(figure.replace("_", " "), *(f"{report['parts'][name][figure]:,}" for name in names))
    console.print(figures)
    if report["shared"]:
        shared = _table("in both", "exactly", "up to symmetry")
        for pair in report["shared"]:
            shared.add_row(" and ".join(pair["between"]), f"{pair['puzzles']:,}", f"{pair['puzzles_up_to_symmetry']:,}")
        console.print(shared)
    for title in ("clues", "rating"):
        if title in report:
            console.print(_histogram_table(title, names, report[title]))


def _histogram_table(title: str, names: list[str], bins: list[dict[str, Any]]) -> Table:
    table = _table(title, *names)
    for each in bins:
        bounds = str(each["from"]) if each["from"] == each["to"] else f"{each['from']} to {each['to']}"
        table.add_row(bounds, *(f"{each['counts'][name]:,}" for name in names))
    return table


def _table(*columns: str) -> Table:
    table = Table()
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table
