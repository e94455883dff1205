"""The summary that a training run prints at its end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from .program import program
from .tables import table


def print_summary(result: dict[str, Any], out: Path, test: Sequence[str]) -> None:
    """Prints the accuracy at several stopping points, the paths of the results, and commands to continue with.

    Args:
        result: Contents of ``result.json``.
        out: Folder of the run.
        test: Arguments of ``evaluate`` and ``watch`` that select the test puzzles.
    """
    chosen, all_segments = result["chosen"], result["all_segments"]
    budget = result["options"]["data"]["max_segments"]
    minutes, seconds = divmod(round(result["training_seconds"]), 60)
    console = Console()
    trained = f"{result['updates']:,} optimizer steps in {minutes} min {seconds} s"
    rows = [
        ("after one segment", f"{all_segments['accuracy_by_segment'][0]:.1%}", "", "1"),
        (
            "[bold]where the agent chose to",
            f"[bold green]{chosen['exact']:.1%}",
            f"{chosen['cell_accuracy']:.1%}",
            f"[bold]{chosen['segments_mean']:.2f}[/] (95 % within {chosen['segments_p95']:.0f})",
        ),
        (
            f"after all {budget} segments",
            f"{all_segments['exact']:.1%}",
            f"{all_segments['cell_accuracy']:.1%}",
            str(budget),
        ),
    ]
    title = f"{chosen['puzzles']:,} test puzzles after {trained}"
    console.print(table(["where it stops", "solved", "cells right", "segments"], rows, title=title))
    if chosen["valid"] != chosen["exact"]:
        console.print(f"The puzzle's own check, which knows no solution, accepts {chosen['valid']:.1%} of the answers.")
    console.print(f"The sign of Q_halt tells right from wrong on {chosen['q_halt_accuracy']:.1%} of the puzzles.\n")
    console.print(f"checkpoint   {out / 'model.zip'}", soft_wrap=True)
    console.print(f"figures      {out / 'result.json'}", soft_wrap=True)
    console.print(f"TensorBoard  tensorboard --logdir {out / 'tensorboard'}\n", soft_wrap=True)
    console.print("What to type next:")
    agent = shlex.join(["--checkpoint", str(out), *test])
    console.print(f"  {program('watch')} {agent}", soft_wrap=True, markup=False)
    console.print(f"  {program('evaluate')} {agent} --halting q-threshold:0.9", soft_wrap=True, markup=False)
