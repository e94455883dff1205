"""Options of ``python -m train fit`` for a run of a few seconds."""

from __future__ import annotations

PUZZLES = ["--preset=sudoku4x4", "--num-puzzles=40", "--test-puzzles=20", "--max-segments=3", "--seed=3"]
SCHEDULE = ["--updates=5", "--batch-size=8", "--evaluate-every=2"]
MACHINE = ["--hidden-size=16", "--num-heads=1", "--dtype=float32", "--threads=1", "--device=cpu"]
TINY = [*PUZZLES, *SCHEDULE, *MACHINE]
