"""``python -m train export``: a segment of an agent as a file that runs without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from hrm_env.files import check_writable

from .options import Threads, integer, parsed
from .running import use_threads
from .trained import Trained

if TYPE_CHECKING:
    from hrm_agent import HRM
    from hrm_env import PuzzleBatch

GOAL = 1e-4
"""Difference that a puzzle should not have."""


@dataclass(frozen=True, kw_only=True)
class Export(Trained):
    """Write one segment of an agent as one ONNX graph in float32, and compare it with torch in ONNX Runtime.

    The graph takes and gives the carry (docs/onnx.md). The weights are those that act. Needs the extra onnx.

    Attributes:
        to: Format of the file.
        out: The file.
        test_puzzles: Puzzles to compare it on, at most, over all segments of the budget.
        threads: CPU threads; 0 for all cores.
    """

    to: Literal["onnx"]
    out: Path
    test_puzzles: Annotated[int | None, integer(1)] = 100
    threads: Threads = 1


def main(arguments: list[str]) -> None:
    """Parses the options, writes the file and prints how far it is from torch."""
    options: Export = parsed(Export, arguments, "export")
    check_writable("--out", options.out)
    from hrm_agent.checkpoints.onnx_file import export_onnx

    use_threads(options.threads)
    model, env = options.load(num_envs=1)
    export_onnx(model, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
    print_comparison(model, options.out, env.stored(slice(None)), env.rules.max_segments)


def print_comparison(model: HRM, path: Path, puzzles: PuzzleBatch, segments: int) -> None:
    """Prints how far ONNX Runtime is from torch, both in float32, and how far both are from torch in float64."""
    from hrm_agent.checkpoints.onnx_file import exported_segment
    from hrm_agent.checkpoints.onnx_parity import compare

    found = compare(exported_segment(model), path, puzzles, segments)
    print(f"largest difference from torch on {len(puzzles.inputs):,} puzzles, {segments} segments each:")
    for what, outputs in (("a segment alone", found.alone), ("all in a row", found.in_a_row)):
        worst = {name: float(rows.max()) for name, rows in outputs.items()}
        name = max(worst, key=worst.__getitem__)
        print(f"  {what:15} {worst[name]:.1e} ({name}), of logits {worst['logits']:.1e}")
    print(f"the same answers: {found.same_answers:.2%}. Logits, all in a row, from those of torch in float64:")
    for what, rows in (("torch", found.torch), ("ONNX Runtime", found.onnx)):
        middle, high = np.quantile(rows, (0.5, 0.99))
        above = f"{(rows > GOAL).sum():,} puzzles above {GOAL}"
        print(f"  {what:15} median {middle:.1e}, 99 % {high:.1e}, largest {rows.max():.1e}; {above}")
