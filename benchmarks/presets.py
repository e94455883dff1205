"""Optimizer steps per second of the small presets, environment and metrics included: eager and compiled, in turns.

python -m benchmarks.presets [--presets sudoku4x4 sudoku6x6]
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.options import Count, TimedOptions, run
from benchmarks.report import Part, Value
from benchmarks.timing import CLOCKS, Clock, side_by_side, training_turn
from hrm_agent import HRM
from train.presets import PRESETS, Fit
from train.training import make_agent


@dataclass(frozen=True)
class Options(TimedOptions):
    """What to measure.

    Attributes:
        presets: Names of presets.
        compile: Measure compiled steps, too; compiling takes about half a minute a preset.
        updates: Optimizer steps in a turn.
    """

    presets: tuple[str, ...] = ("sudoku4x4", "sudoku6x6", "sudoku6x6-trm", "sudoku9")
    compile: bool = True
    updates: Count = 10


class Turn:
    """A number of optimizer steps of an agent as a call, which also measures the time of the environment.

    Args:
        agent: The agent.
        updates: Optimizer steps in a call.
        clock: Clock of `side_by_side`.

    Attributes:
        environment: Seconds in the environment (drawing, augmenting, grading, refilling) in each call.
    """

    def __init__(self, agent: HRM, updates: int, clock: Clock) -> None:
        self._turn, self._now, self.environment = training_turn(agent, updates), CLOCKS[clock], list[float]()
        agent.stream.step = self._timed(agent.stream.step)  # type: ignore[method-assign]
        agent.stream.current = self._timed(agent.stream.current)  # type: ignore[method-assign]

    def __call__(self) -> None:
        """Trains."""
        self.environment.append(0.0)
        self._turn()

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = self._now()
            result = call(*arguments)
            self.environment[-1] += self._now() - started
            return result

        return timed


def measure(options: Options) -> Part:
    """Times every preset."""
    rows = [_row(preset, options) for preset in options.presets]
    title = "Small presets: optimizer steps per second, and the environment's share of their time"
    return Part("presets", title, rows, ["Environment, augmentation, metrics and moving average included."])


def _row(preset: str, options: Options) -> dict[str, Value]:
    device = options.prepare()
    fit = replace(PRESETS[preset], threads=options.threads, device=options.device)
    agents = {"eager": quiet_agent(replace(fit, compile=False))}
    if options.compile:
        agents["compiled"] = quiet_agent(replace(fit, compile=True))
    turns = {name: Turn(agent, options.updates, options.clock) for name, agent in agents.items()}
    times = side_by_side(turns, options.rounds, device, options.clock)
    row: dict[str, Value] = {"preset": preset, "batch": agents["eager"].n_envs}
    for name, turn in turns.items():
        pairs = zip(turn.environment[-options.rounds :], times.rounds[name], strict=True)
        share = statistics.median(inside / whole for inside, whole in pairs)
        row |= {f"{name}/s": options.updates / times.median(name), f"{name}: share": share}
    return row | ({"compiled × eager": times.ratio("compiled", "eager")} if options.compile else {})


def quiet_agent(fit: Fit) -> HRM:
    """Returns the untrained agent of a run; it prints and writes nothing."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        agent, _ = make_agent(replace(fit, out=out))
    agent.tensorboard_log = None
    return agent


if __name__ == "__main__":
    run(Options, measure)
