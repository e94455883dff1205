"""What a run of the figures writes: one table as CSV and JSON, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrm_env.files import atomic_write

from ..results import write_result
from ..study_files import write_csv
from .claims import CLAIMS, Claim
from .numbers import Number

Numbers = Mapping[str, Sequence[Number]]


def write_report(numbers: Numbers, titles: Mapping[str, str], setting: Sequence[str], folder: Path) -> str:
    """Writes ``paper.csv``, ``paper.json`` and ``paper.md``, and returns the page.

    Args:
        numbers: Numbers of each figure.
        titles: What each figure shows.
        setting: What was trained and measured, a line each.
        folder: Where to write.
    """
    import pandas as pd

    rows = [{"figure": figure, **asdict(each)} for figure, found in numbers.items() for each in found]
    write_csv(pd.DataFrame(rows), folder / "paper.csv")
    claims: list[dict[str, Any]] = [
        {
            "claim": claim.text,
            "paper": claim.paper,
            "verdict": claim.verdict(numbers),
            "conditions": [
                {"condition": str(each), "number": number and asdict(number), "verdict": each.verdict(number)}
                for each in claim.conditions
                for number in [each.find(numbers)]
            ],
        }
        for claim in CLAIMS
    ]
    write_result(folder / "paper.json", {"setting": list(setting), "claims": claims, "numbers": rows})
    parts = [*(f"- {line}" for line in setting), "", *_claims_table(numbers)]
    for figure, found in numbers.items():
        parts += ["", f"### {titles[figure]}", "", f"![{titles[figure]}]({figure}.png)", "", *_table(found)]
    page = "\n".join(parts) + "\n"
    with atomic_write(folder / "paper.md") as file:
        file.write(page.encode())
    return page


def _claims_table(numbers: Numbers) -> list[str]:
    """Returns a row for each claim of which something was measured."""
    rows = [
        (claim.text, claim.paper, _conditions(claim, numbers), f"**{claim.verdict(numbers)}**", _command(claim))
        for claim in CLAIMS
        if any(each.find(numbers) for each in claim.conditions)
    ]
    return _markdown(("claim", "paper", "our numbers, 95 % intervals", "verdict", "measured by"), rows)


def _conditions(claim: Claim, numbers: Numbers) -> str:
    return "; ".join(f"{each}: {each.find(numbers) or '–'}" for each in claim.conditions)


def _command(claim: Claim) -> str:
    return f"`--only {' --only '.join(dict.fromkeys(each.figure for each in claim.conditions))}`"


def _table(numbers: Sequence[Number]) -> list[str]:
    """Returns a row for each quantity, and a column for each place where it is measured; steps are left to the CSV."""
    lines: list[str] = []
    for metric in dict.fromkeys(each.metric for each in numbers):
        own = [each for each in numbers if each.metric == metric]
        places = list(dict.fromkeys(each.x for each in own))
        if len(places) > 8:
            continue
        cells = {(each.series, each.x): str(each) + _paper(each) for each in own}
        rows = [
            (series, *(cells.get((series, place), "") for place in places))
            for series in dict.fromkeys(each.series for each in own)
        ]
        head = (metric, *(f"{place:g}" if len(places) > 1 else "" for place in places))
        lines += [*_markdown(head, rows), ""]
    return lines[:-1]


def _paper(number: Number) -> str:
    return "" if number.paper is None else f" (paper {number.paper:g})"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
