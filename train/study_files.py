"""Writes a study as CSV, JSON, a page and a TensorBoard log."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from hrm_agent.halting import rule_of
from hrm_agent.sb3.dashboard_figures import pixels
from hrm_agent.study.study import Study
from hrm_agent.study.table import Row
from hrm_env.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Writes a table as CSV; undefined numbers are ``nan``."""
    with atomic_write(path) as file:
        file.write(frame.to_csv(index=False, na_rep="nan", lineterminator="\n").encode())


def write_json(study: Study, path: Path) -> None:
    """Writes the whole study as JSON; undefined numbers are null."""
    everything = asdict(study) | {"rows": study.frame().to_dict("records")}
    with atomic_write(path) as file:
        file.write(json.dumps(_finite(everything), indent=1, ensure_ascii=False, allow_nan=False).encode())


def write_page(page: bytes, path: Path) -> None:
    """Writes a page of `hrm_agent.study.page`."""
    with atomic_write(path) as file:
        file.write(page)


def write_tensorboard(study: Study, figures: Mapping[str, Figure], folder: Path) -> None:
    """Writes the figures, and for each policy a run with its options and scalars, for the HParams page.

    Args:
        study: The study.
        figures: The figures by name.
        folder: Folder of the log; an older log there is replaced.
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
    """Returns the same value with None in place of numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
