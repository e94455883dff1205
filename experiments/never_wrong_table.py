"""The table of `experiments.never_wrong`: what an agent that may abstain hands in, and an exact bound of its risk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hrm_agent.study.proportion import clopper_pearson
from train.tables import PLAIN, console, table

TALLIED = ("puzzles", "right", "other", "abstained", "wrong", "segments")
"""What is counted of each band of puzzles.

puzzles: Their number. right: Answers that are the solution. other: Answers that are the other one of two solutions.
abstained: Puzzles without an answer. wrong: All other answers. segments: Segments computed, over all views.
"""
WHOLE, DAMAGED = "one solution", ("no solution", "two solutions")
"""The sets of puzzles."""
BANDS = (0, 1, 5, 10, 20)
"""The least rating of each band of the puzzles with one solution."""


def band_name(number: int) -> str:
    """Returns the name of a band, such as "one solution, rating 1 to 4"."""
    low, last = BANDS[number], number == len(BANDS) - 1
    high = low if last else BANDS[number + 1] - 1
    return f"{WHOLE}, rating {low}" + (" and more" if last else "" if low == high else f" to {high}")


def rows_of(
    chunks: Mapping[str, Mapping[str, Mapping[str, int]]], policies: Sequence[str], confidence: float
) -> list[dict[str, Any]]:
    """Returns a row for each policy and band, and one for all puzzles with one solution.

    ``risk_bound`` is the upper bound of the probability that an answer is wrong, given that one is handed in;
    ``wrong_bound`` that of the probability that a puzzle gets a wrong answer.

    Args:
        chunks: Tallies of each band, by the name of the chunk, which begins with the policy.
        policies: The policies, in the order of the rows.
        confidence: Confidence of each bound.
    """
    rows = []
    for policy in policies:
        own = [chunk for key, chunk in chunks.items() if key.startswith(f"{policy}; ")]
        for band in (WHOLE, *map(band_name, range(len(BANDS))), *DAMAGED):
            total = _sum(tally for chunk in own for name, tally in chunk.items() if band in (name, name.split(",")[0]))
            if not total["puzzles"]:
                continue
            answered = total["puzzles"] - total["abstained"]
            rows.append(
                {
                    "policy": policy,
                    "set": band,
                    **total,
                    "segments_mean": total["segments"] / total["puzzles"],
                    "risk_bound": clopper_pearson(total["wrong"], answered, confidence),
                    "wrong_bound": clopper_pearson(total["wrong"], total["puzzles"], confidence),
                }
            )
    return rows


def print_rows(rows: Sequence[Mapping[str, Any]], confidence: float) -> None:
    """Prints the rows as a table for each policy."""
    columns = ["puzzles with", "number", "right", "other solution", "abstained", "wrong", "risk below", "segments"]
    for policy in dict.fromkeys(row["policy"] for row in rows):
        cells = [
            [
                row["set"],
                *(f"{row[name]:,}" for name in ("puzzles", "right", "other", "abstained", "wrong")),
                f"{row['risk_bound']:.3g}",
                f"{row['segments_mean']:.2f}",
            ]
            for row in rows
            if row["policy"] == policy
        ]
        title = f"{policy}; risk: probability that an answer is wrong, with confidence {confidence:g}"
        console(140).print(table(columns, cells, title=title, title_justify="left", **PLAIN))


def _sum(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found = list(tallies)
    return {name: sum(tally[name] for tally in found) for name in TALLIED}
