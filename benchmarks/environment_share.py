"""The environment's share of the wall time in the demo's training loop.

    python -m benchmarks.environment_share [--preset sudoku6x6]

Every update is timed as a whole, and the environment's part of it (drawing, augmenting, grading, refilling) apart;
printed are medians over windows of updates.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import tyro
from stable_baselines3.common.callbacks import BaseCallback

from train.presets import PRESETS
from train.training import make_agent


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        preset: Name of a preset.
        windows: Windows the median is over.
        updates: Optimizer steps in a window.
        threads: CPU threads; 0 for all cores.
    """

    preset: str = "sudoku6x6"
    windows: int = 7
    updates: int = 20
    threads: int = 0


class Windows(BaseCallback):
    """Wall time and environment time of every window of updates."""

    def __init__(self, updates: int) -> None:
        super().__init__()
        self.updates, self.inside, self.shares, self.seconds = updates, 0.0, [0.0], [0.0]
        self.started = time.perf_counter()

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, its time added to the window's environment time."""

        def wrapper(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = call(*arguments)
            self.inside += time.perf_counter() - started
            return result

        return wrapper

    def _on_step(self) -> bool:
        if self.n_calls % self.updates == 0:
            elapsed = time.perf_counter() - self.started
            self.shares.append(self.inside / elapsed)
            self.seconds.append(elapsed / self.updates)
            self.inside, self.started = 0.0, time.perf_counter()
        return True


def main() -> None:
    """Trains a few windows and prints the share."""
    options = tyro.cli(Options)
    with tempfile.TemporaryDirectory() as out:
        fit = replace(PRESETS[options.preset], threads=options.threads, out=out)
        model, _ = make_agent(fit)
        windows = Windows(options.updates)
        stream = model.stream
        stream.step = windows.timed(stream.step)  # type: ignore[method-assign]
        stream.current = windows.timed(stream.current)  # type: ignore[method-assign]
        model.learn((options.windows + 1) * options.updates * fit.batch_size, windows)
    shares, seconds = windows.shares[2:], windows.seconds[2:]  # without the start and the first, cold window
    print(f"{options.preset}: batch {fit.batch_size}, {len(shares)} windows of {options.updates} updates")
    print(f"update       {1e3 * statistics.median(seconds):8.1f} ms (median)")
    print(f"environment  {statistics.median(shares):8.1%} of it (median; {min(shares):.1%} to {max(shares):.1%})")


if __name__ == "__main__":
    main()
