"""The history of figures: what is read, compared and appended, with exact values."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.history import Entry, append, changes, comparable, entry_of, read
from benchmarks.report import Part

VERSIONS = {"python": "3.12.1", "torch": "2.11", "numpy": "2.0"}
MACHINE: dict[str, Any] = {"device": "some CPU", "cores": 2, "threads": 1, **VERSIONS}
PARTS = [
    Part("step", "A step", [{"step": "ours", "ms": 200.0, "size": 3, "× reference": 1.5, "MFU": 0.25, "loop/s": None}]),
    Part("memory", "Memory", [{"N·T": 4, "full MB": 1.5}, {"N·T": 8, "full MB": 3.0}]),
]
OLD = Entry(
    "2026-01-02T03:04:05+00:00",
    "1234567",
    {"device": "some CPU", "cores": 2},
    {"quick": False},
    VERSIONS,
    {"step: ours: × reference": 1.5},
    {"step: ours: ms": 200.0, "memory: 4: full MB": 0.0},
)


def test_figures_are_named_by_part_row_and_column() -> None:
    entry = entry_of(PARTS, MACHINE, {"quick": True})
    assert entry.ratios == {"step: ours: × reference": 1.5, "step: ours: MFU": 0.25}
    assert entry.values == {"step: ours: ms": 200.0, "memory: 4: full MB": 1.5, "memory: 8: full MB": 3.0}
    assert entry.machine == {"device": "some CPU", "cores": 2}
    assert entry.settings == {"quick": True}
    assert entry.versions == VERSIONS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", entry.date)
    assert re.fullmatch(r"[0-9a-f]{7,}(-dirty)?|unknown", entry.commit)


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "history.jsonl"
    assert read(path) == []
    append(path, OLD)
    append(path, replace(OLD, commit="89abcde"))
    assert read(path) == [OLD, replace(OLD, commit="89abcde")]
    assert path.read_text().count("\n") == 2


def test_the_last_run_on_such_a_machine_is_compared() -> None:
    now = replace(OLD, commit="now")
    before = replace(OLD, commit="before")
    others = [
        replace(OLD, machine={"device": "some CPU", "cores": 4}),
        replace(OLD, settings={"quick": True}),
        replace(OLD, ratios={}, values={"presets: sudoku9: eager/s": 1.0}),
    ]
    assert comparable([OLD, before, *others], now) == before
    assert comparable(others, now) is None


def test_changes_are_exact() -> None:
    now = replace(
        OLD,
        versions={**VERSIONS, "torch": "2.12"},
        ratios={"step: ours: × reference": 1.8, "step: ours: MFU": 0.5},
        values={"step: ours: ms": 150.0, "memory: 4: full MB": 1.0},
    )
    part = changes(OLD, now)
    assert part.title == "Change since 2026-01-02T03:04:05+00:00, commit 1234567"
    assert [tuple(row.values()) for row in part.rows] == [
        ("step: ours: × reference", 1.5, 1.8, "+20.0%"),
        ("step: ours: ms", 200.0, 150.0, "-25.0%"),
        ("memory: 4: full MB", 0.0, 1.0, None),
    ]
    assert part.notes[1:] == ["torch 2.11 → 2.12"]


LINE = json.dumps(asdict(OLD))
DAMAGED = {
    "cut off": LINE[:50] + "\n",
    "no JSON": "figures\n",
    "another object": '{"date": "2026"}\n',
    "no object": "[1, 2]\n",
    "a field more": LINE[:-1] + ', "more": 1}\n',
    "a date that is none": LINE.replace('"2026-01-02T03:04:05+00:00"', "2026") + "\n",
    "figures that are none": LINE.replace("1.5", '"1.5"') + "\n",
    "figures in a list": json.dumps({**asdict(OLD), "values": [1.0]}) + "\n",
    "without its end": LINE,
    "no text": "\x00\udcff\n",
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_line_is_one_sentence(line: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes((LINE + "\n" + line).encode(errors="surrogateescape"))
    expected = "expected a JSON object of date, commit, machine, settings, versions, ratios, values, found '"
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 2: {expected}")) as error:
        read(path)
    assert "\n" not in str(error.value)
