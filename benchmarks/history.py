"""The figures of earlier runs, one line of JSON a run, and the change against the last comparable one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import Part, Value
from hrm_env.checks import shortened
from hrm_env.files import open_regular
from train.machine import commit

RATIOS = ("×", "share", "MFU")  # in the name of a column whose figures are ratios within a run


@dataclass(frozen=True)
class Entry:
    """One run of ``python -m benchmarks``.

    Attributes:
        date: UTC, ISO 8601, to the second.
        commit: Short hash, followed by "-dirty" where the clone had changes; "unknown" outside a clone.
        machine: Name of the device and number of CPU cores.
        settings: Options that a figure depends on.
        versions: Versions of Python, torch and numpy.
        ratios: Figures that compare calls within the run, by "part: row: column".
        values: All other figures, named likewise.
    """

    date: str
    commit: str
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    ratios: Mapping[str, float]
    values: Mapping[str, float]

    @property
    def figures(self) -> dict[str, float]:
        """Ratios, then values."""
        return {**self.ratios, **self.values}


def entry_of(parts: Iterable[Part], machine: Mapping[str, Any], settings: Mapping[str, Any]) -> Entry:
    """Makes the entry of a run that ends now.

    Args:
        parts: The tables; each float in them is a figure.
        machine: As `train.machine.machine` returns it.
        settings: Options that a figure depends on.
    """
    ratios, values = dict[str, float](), dict[str, float]()
    for part in parts:
        for row in part.rows:
            label = next(iter(row.values()))
            for column, value in row.items():
                if isinstance(value, float):
                    kind = ratios if any(word in column for word in RATIOS) else values
                    kind[f"{part.name}: {label}: {column}"] = value
    return Entry(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        machine={name: machine[name] for name in ("device", "cores")},
        settings=settings,
        versions={name: machine[name] for name in ("python", "torch", "numpy")},
        ratios=ratios,
        values=values,
    )


def read(path: Path) -> list[Entry]:
    """Reads the entries of a file, the oldest first; there are none where the file is missing.

    Raises:
        ValueError: A line is damaged; the message names the file and the line.
        OSError: The file cannot be read.
    """
    try:
        with open_regular(path) as file:
            lines = file.read().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [_entry(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]


def _entry(line: bytes, place: str) -> Entry:
    """Reads a line, which must end: the next entry is appended behind it."""
    kinds = {field.name: str if field.type == "str" else dict for field in fields(Entry)}
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        found = None
    if (
        isinstance(found, dict)
        and found.keys() == kinds.keys()
        and all(isinstance(found[name], kind) for name, kind in kinds.items())
        and all(type(figure) in (int, float) for figure in [*found["ratios"].values(), *found["values"].values()])
    ):
        return Entry(**found)
    text = shortened(line.decode(errors="replace"))
    raise ValueError(f"{place}: expected a JSON object of {', '.join(kinds)}, found {text}")


def append(path: Path, entry: Entry) -> None:
    """Appends an entry to a file, which is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n")


def comparable(entries: Sequence[Entry], entry: Entry) -> Entry | None:
    """Returns the last entry of the same machine and settings that has a figure of the same name, if there is one."""
    for before in reversed(entries):
        alike = (before.machine, before.settings) == (entry.machine, entry.settings)
        if alike and before.figures.keys() & entry.figures.keys():
            return before
    return None


def changes(before: Entry, now: Entry) -> Part:
    """Compares the figures that two runs share: a row for each, ratios first."""
    rows: list[dict[str, Value]] = []
    for name, value in now.figures.items():
        if name in before.figures:
            was = before.figures[name]
            change = f"{value / was - 1:+.1%}" if was else None
            rows.append({"figure": name, "before": was, "now": value, "change": change})
    updated = [f"{name} {before.versions[name]} → {now.versions[name]}" for name in now.versions
               if before.versions.get(name) != now.versions[name]]  # fmt: skip
    notes = ["A busy machine moves values more than ratios.", *updated]
    return Part("changes", f"Change since {before.date}, commit {before.commit}", rows, notes)
