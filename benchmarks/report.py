"""What a measurement found: a table for people, and the same numbers for programs."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hrm_env.files import atomic_write

Value = str | float | int | None


@dataclass(frozen=True)
class Part:
    """The outcome of one measurement.

    Attributes:
        name: As in ``python -m train bench --only NAME``.
        title: What was measured, with the sizes that matter.
        rows: One mapping each from column to value, all with the same columns.
        notes: What the numbers need to be understood.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Value]]
    notes: Sequence[str] = ()


def print_part(part: Part) -> None:
    """Prints the table and its notes."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(part.rows[0]):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in part.rows:
        table.add_row(*map(_text, row.values()))
    console = Console()
    if not console.is_terminal:  # a file or a pipe is as wide as it needs to be
        console = Console(width=160)
    console.print(part.title, style="bold", highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    for note in part.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    console.print()


def report(parts: Iterable[Part], device: torch.device | str, options: Any, file: Path) -> list[Part]:
    """Prints every part as soon as it is measured, and writes it with those before it.

    Args:
        parts: Measured when they are asked for.
        device: Where.
        options: The dataclass of what was asked for.
        file: JSON of the machine, the options and the parts.
    """
    where, found = machine(device), list[Part]()
    print(machine_line(device), end="\n\n")
    for part in parts:
        found.append(part)
        print_part(part)
        result = {"machine": where, "options": asdict(options), "parts": [asdict(part) for part in found]}
        with atomic_write(file) as written:
            written.write(json.dumps(result, indent=2, default=str).encode())
    print(f"figures  {file}")
    return found


def machine_line(device: torch.device | str) -> str:
    """`machine` as a line of text."""
    return ", ".join(f"{name} {value}" for name, value in machine(device).items())


def machine(device: torch.device | str) -> dict[str, Any]:
    """Where the numbers come from: the device's name, CPU threads, versions."""
    cuda = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    """The CPU's name; Linux alone tells the model."""
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
