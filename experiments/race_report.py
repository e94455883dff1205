"""What a race measures of its variants, and its table, files and figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from hrm_agent.cores import CORES, PuzzleShape
from hrm_agent.cores.flops import training_flops
from hrm_agent.study.figures.style import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    PINK,
    PURPLE,
    RED,
    house_style,
    new_figure,
    percent,
    save_figure,
    write_at_end,
)
from train.environments import task_of
from train.pause import Limit, paused_at
from train.presets import Fit, run_folder
from train.resume import RunFolder
from train.study_files import write_csv
from train.tables import PLAIN, console, table

COLOURS = (BLUE, RED, GREEN, PURPLE, BROWN, PINK)
METRICS = ("exact", "cell_accuracy")
COLUMNS = ("variant", "seed", "updates", "cpu_minutes", "teraflops", *METRICS)
AXES = {"cpu_minutes": "CPU minutes of training", "teraflops": "TFLOPs of training"}


class Racer:
    """A variant in a race.

    Args:
        name: Its name.
        runs: Options of its runs, one for each seed.

    Attributes:
        parameters: Number of its weights, with one row of puzzle embedding.
        flops: Floating-point operations of an optimizer step.
        curves: The sweeps of each run, by seed: a row for each. Its CPU time is the run's mean step times its steps.
        at: The sweep of each run at every limit that it has reached, by seed.
        rounds: Rounds that it took part in.
        diverged: Whether the loss of a run was not finite.

    Raises:
        ValueError: No core can be built from its options.
    """

    def __init__(self, name: str, runs: Sequence[Fit]) -> None:
        self.name, self.runs = name, runs
        spec, config = task_of(runs[0].data.env).spec, runs[0].core
        with torch.device("meta"):
            core = CORES[config.name](PuzzleShape(spec.seq_len, spec.vocab_size), config)
        self.parameters = sum(weights.numel() for weights in core.parameters())
        self.flops = training_flops(core, runs[0].batch_size, runs[0].learner.q_bootstrap)
        self.curves: dict[int, pd.DataFrame] = {}
        self.at: dict[int, dict[Limit, pd.Series[Any]]] = {}
        self.rounds, self.diverged = 0, False

    def read(self, seed: int, limit: Limit) -> bool:
        """Reads the newest checkpoint of a run; returns whether the run has been measured at the limit.

        Raises:
            ValueError: The run was begun with other options, or went beyond the limit without being measured there.
        """
        options = self.runs[seed]
        found = RunFolder(run_folder(options), options).unfinished()
        if found is None:
            return False
        cpu_seconds, reached = paused_at(found.extra.get("pause", {}))
        rows = [
            (updates, *(figures[name] for name in METRICS)) for updates, figures in found.extra["sweeps"]["history"]
        ]
        sweeps = pd.DataFrame(rows, columns=["updates", *METRICS])
        self.at[seed] = {each.limit: sweeps[sweeps["updates"] == each.updates].iloc[-1] for each in reached}
        sweeps["cpu_minutes"] = sweeps["updates"] * cpu_seconds / 60 / sweeps["updates"].max()
        sweeps["teraflops"] = sweeps["updates"] * self.flops / 1e12
        self.curves[seed] = sweeps
        at = self.at[seed]
        if limit not in at and any(each.unit == limit.unit and each.amount > limit.amount for each in at):
            raise ValueError(
                f"--minutes, --updates-first: expected a round as in the race that {run_folder(options)} is of, "
                f"found {limit.amount:g} {limit.unit}, between its rounds; another --out begins a new race"
            )
        return limit in at

    def quality(self, limit: Limit, metric: str) -> tuple[float, float]:
        """Returns the metric at a limit and the other one, which breaks ties: means over seeds; -1 if it diverged."""
        if self.diverged:
            return -1.0, -1.0
        exact, cells = (float(np.mean([at[limit][name] for at in self.at.values()])) for name in METRICS)
        return (exact, cells) if metric == "exact" else (cells, exact)

    def curve(self) -> pd.DataFrame:
        """Returns the sweeps of all runs, with the columns ``variant`` and ``seed``."""
        runs = [curve.assign(variant=self.name, seed=seed) for seed, curve in self.curves.items()]
        return pd.concat(runs)[list(COLUMNS)] if runs else pd.DataFrame()


def report(ranking: Sequence[Racer], metric: str, folder: Path) -> None:
    """Prints the table of a race, and writes the table, the curves and the figure.

    Args:
        ranking: The variants, the best first.
        metric: The metric of the figure.
        folder: Folder of the race.
    """
    curves = [racer.curve() for racer in ranking]
    frame = pd.DataFrame([row_of(racer, curve) for racer, curve in zip(ranking, curves, strict=True)])
    write_csv(frame, folder / "race.csv")
    write_csv(pd.concat(curves), folder / "curves.csv")
    rows = [
        (
            row.variant + " (diverged)" * row.diverged,
            f"{row.rounds}",
            f"{row.exact:.1%}",
            f"{row.cell_accuracy:.1%}",
            f"{row.updates:,.0f}",
            f"{row.cpu_minutes:.2f}",
            f"{row.parameters:,}",
            f"{row.flops_per_step / 1e9:,.2f}",
            f"{row.teraflops:.3g}",
        )
        for row in frame.itertuples()
    ]
    columns = ("variant", "rounds", "solved", "cells", "steps", "CPU min", "parameters", "GFLOPs/step", "TFLOPs")
    title = f"{len(ranking)} variants, seeds: {len(ranking[0].runs)}"
    console(120).print(table(columns, rows, wrap=False, title=title, **PLAIN))
    paths = save_figure(race_figure(pd.concat(curves), metric), folder / "race")
    print(", ".join(str(path) for path in (folder / "race.csv", folder / "curves.csv", *paths)))


def row_of(racer: Racer, curve: pd.DataFrame) -> dict[str, object]:
    """Returns the row of a variant: the last sweep of its runs, means over seeds."""
    names = [*METRICS, "updates", "cpu_minutes", "teraflops"]
    last = curve.groupby("seed").last()[names].mean() if len(curve) else dict.fromkeys(names, float("nan"))
    return {
        "variant": racer.name,
        "rounds": racer.rounds,
        "diverged": racer.diverged,
        **{name: last[name] for name in names},
        "parameters": racer.parameters,
        "flops_per_step": racer.flops,
    }


@house_style()
def race_figure(curves: pd.DataFrame, metric: str) -> Figure:
    """Draws the metric of all variants, means over seeds, against CPU time and against operations.

    Args:
        curves: The rows of `Racer.curve` of all variants, the best first; the first six are coloured and named.
        metric: ``"exact"`` or ``"cell_accuracy"``.
    """
    figure = new_figure(9.0, 4.2)
    for place, (axis, label) in enumerate(AXES.items()):
        axes = figure.add_subplot(1, 2, place + 1)
        ends = []
        for rank, (name, rows) in enumerate(curves.groupby("variant", sort=False)):
            means = rows.groupby("updates" if rows["seed"].nunique() == 1 else rows.groupby("seed").cumcount()).mean(
                numeric_only=True
            )
            colour = COLOURS[rank] if rank < len(COLOURS) else GREY
            axes.plot(means[axis], means[metric], "o-", color=colour, zorder=3 if rank < len(COLOURS) else 2)
            if rank < len(COLOURS):
                ends.append((float(means[metric].iloc[-1]), str(name), colour))
        axes.set_xlabel(label)
        axes.set_ylabel("puzzles solved" if metric == "exact" else "cells right")
        axes.yaxis.set_major_formatter(percent)
        if ends:
            figure.draw_without_rendering()
            write_at_end(axes, ends, axes.get_xlim()[1])
    return figure
