"""The result of a measurement: a table for people, and the same numbers for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hrm_env.files import atomic_write
from train.machine import machine
from train.tables import PLAIN, console, table

Value = str | float | int | None


@dataclass(frozen=True)
class Part:
    """The result of one measurement.

    Attributes:
        name: Short name; a figure is named by it, its row and its column.
        title: What was measured, with the sizes that matter.
        rows: Mappings from column to value, all with the same columns. The first column labels the row. A float is a
            figure, an int a size.
        notes: What a reader needs to understand the numbers.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Value]]
    notes: Sequence[str] = ()


def print_part(part: Part) -> None:
    """Prints the table and its notes."""
    out = console(160)
    out.print(part.title, style="bold", highlight=False, markup=False, soft_wrap=True)
    out.print(table(part.rows[0], ([_text(value) for value in row.values()] for row in part.rows), wrap=False, **PLAIN))
    for note in part.notes:
        out.print(note, highlight=False, markup=False, soft_wrap=True)
    out.print()


def report(parts: Iterable[Part], device: torch.device | str, options: Any, file: Path) -> list[Part]:
    """Prints each part once it is measured, and writes it together with those before it.

    Args:
        parts: Measured as they are iterated over.
        device: Device that is measured.
        options: Dataclass of the options.
        file: JSON file of the machine, the options and the parts.
    """
    where, found = machine(device), list[Part]()
    print(", ".join(f"{name} {value}" for name, value in where.items()), end="\n\n")
    for part in parts:
        found.append(part)
        print_part(part)
        result = {"machine": where, "options": asdict(options), "parts": [asdict(part) for part in found]}
        with atomic_write(file) as written:
            written.write(json.dumps(result, indent=2, default=str).encode())
    print(f"figures  {file}")
    return found


def _text(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
