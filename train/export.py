"""``python -m train export``: a segment of an agent as a file that runs without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from hrm_env.files import check_writable

from .options import Threads, integer, parsed
from .running import use_threads
from .trained import Trained


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
    from hrm_agent.checkpoints.onnx_file import export_onnx, exported_segment
    from hrm_agent.checkpoints.onnx_parity import largest_differences

    use_threads(options.threads)
    model, env = options.load(num_envs=1)
    export_onnx(model, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
    puzzles, segments = env.stored(slice(None)), env.rules.max_segments
    segment = exported_segment(model)
    print(f"largest difference from torch on {len(puzzles.inputs):,} puzzles, {segments} segments each:")
    for own_carry, what in ((False, "a segment alone"), (True, "all in a row")):
        found = largest_differences(segment, options.out, puzzles, segments, own_carry)
        worst = {name: float(rows.max()) for name, rows in found.items()}
        name = max(worst, key=worst.__getitem__)
        print(f"  {what:15} {worst[name]:.1e} ({name}), of logits {worst['logits']:.1e}")
