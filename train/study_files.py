"""A study as files: CSV, JSON and a TensorBoard log."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from hrm_agent.halting import rule_of
from hrm_agent.sb3.dashboard_figures import pixels
from hrm_agent.study.study import Study
from hrm_agent.study.table import Estimate, Row
from hrm_env.files import atomic_write


def write_csv(study: Study, path: Path) -> None:
    """A line for each policy in the order of the table: every number, with intervals as three columns."""
    write_rows([flat(row) for row in study.rows], path)


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A table of at least one row as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def write_json(study: Study, path: Path) -> None:
    """Everything; what is not defined is null."""
    everything = asdict(study) | {"rows": [flat(row) for row in study.rows]}
    with atomic_write(path) as file:
        file.write(json.dumps(_finite(everything), indent=1, ensure_ascii=False, allow_nan=False).encode())


def flat(row: Row) -> dict[str, Any]:
    """A row as one number or text a name; ``exact``, ``exact_low`` and ``exact_high`` are an estimate."""
    columns: dict[str, Any] = {}
    for name, value in vars(row).items():
        if isinstance(value, Estimate):
            columns |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        elif name != "metrics":
            columns[name] = value
    return columns | {name: value for name, value in row.metrics.items() if name not in columns}


def write_tensorboard(study: Study, figures: Mapping[str, Figure], folder: Path) -> None:
    """A run for each policy, with its options and all its scalars (page HParams), beside the pictures.

    Args:
        study: The table.
        figures: By name.
        folder: Of the log; an older log there is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder)) as writer:
        for name, figure in figures.items():
            writer.add_image(f"study/{name}", pixels(figure), dataformats="HWC")
        writer.add_text("study/policies", "\n".join(f"- `{row.policy}`: {row.describe}" for row in study.rows))
        for row in study.rows:
            run = re.sub(r"[^\w.|()-]+", "_", row.policy)
            writer.add_hparams(*_options_and_scalars(row), run_name=run, global_step=0)


def _options_and_scalars(row: Row) -> tuple[dict[str, Any], dict[str, float]]:
    options = {"policy": row.policy, "rule": rule_of(row.policy), "family": row.family, "frontier": row.frontier}
    scalars = {"exact": row.exact.value, "segments": row.segments.value, "computed": row.work.value, **row.metrics}
    return options, {f"study/{name}": value for name, value in scalars.items() if math.isfinite(value)}


def _finite(value: Any) -> Any:
    """The same with None for what JSON has no word for."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
