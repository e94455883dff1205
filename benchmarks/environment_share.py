"""The environment's share of the wall time in the demo's training loop.

    python -m benchmarks.environment_share [--preset sudoku6x6]

Every update is timed as a whole, and the environment's part of it (drawing, augmenting, grading, refilling) apart; the
figures are medians over windows of updates.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.options import Count, TimedOptions, run
from benchmarks.report import Part, Value
from benchmarks.timing import CLOCKS, use_threads
from train.presets import PRESETS
from train.training import make_agent


@dataclass(frozen=True)
class Options(TimedOptions):
    """What to measure.

    Attributes:
        preset: Name of a preset.
        updates: Optimizer steps in a window; a window is a turn.
    """

    preset: str = "sudoku6x6"
    updates: Count = 20


class Windows(BaseCallback):
    """Measures the time and the environment's time of every window of updates."""

    def __init__(self, updates: int, now: Callable[[], float]) -> None:
        super().__init__()
        self.updates, self.now, self.inside, self.started = updates, now, 0.0, now()
        self.shares, self.seconds = list[float](), list[float]()

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the call, which then adds its time to the window's environment time."""

        def wrapper(*arguments: Any) -> Any:
            started = self.now()
            result = call(*arguments)
            self.inside += self.now() - started
            return result

        return wrapper

    def _on_step(self) -> bool:
        if self.n_calls % self.updates == 0:
            elapsed = self.now() - self.started
            self.shares.append(self.inside / elapsed)
            self.seconds.append(elapsed / self.updates)
            self.inside, self.started = 0.0, self.now()
        return True


def measure(options: Options) -> Part:
    """Trains a few windows and returns the environment's share of each."""
    with tempfile.TemporaryDirectory() as out:
        fit = replace(PRESETS[options.preset], threads=options.threads, device=options.device, out=out)
        model, _ = make_agent(fit)
        use_threads(options.threads)
        windows = Windows(options.updates, CLOCKS[options.clock])
        stream = model.stream
        stream.step = windows.timed(stream.step)  # type: ignore[method-assign]
        stream.current = windows.timed(stream.current)  # type: ignore[method-assign]
        model.learn((options.rounds + 1) * options.updates * fit.batch_size, windows)
    shares, seconds = windows.shares[1:], windows.seconds[1:]  # without the first, cold window
    row: dict[str, Value] = {"preset": options.preset, "batch": fit.batch_size}
    row |= {"ms an update": 1e3 * statistics.median(seconds), "environment's share": statistics.median(shares)}
    title = f"Share of the environment in {len(shares)} windows of {options.updates} updates"
    return Part("environment-share", title, [row | {"least share": min(shares), "most share": max(shares)}])


if __name__ == "__main__":
    run(Options, measure)
