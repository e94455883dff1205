"""The result of a measurement: a table for people, and the same numbers for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hrm_env.files import atomic_write
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


def machine(device: torch.device | str) -> dict[str, Any]:
    """Returns where the numbers come from: the device's name, CPU cores and threads, versions."""
    cuda = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _processor() -> str:
    """Returns the CPU's name; only Linux gives the model."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    amx = " with AMX" if torch.cpu._is_amx_tile_supported() else ""
    return (names[0] if names else platform.processor() or platform.machine()) + amx


def _text(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
