"""Decisions per second of HRM-Halting-v0: the native batched environment against Gymnasium's loop over scalar ones.

    python -m benchmarks.halting_env [--puzzles 5000] [--budget 16]

Both run side by side in one process on made-up traces and halt with probability 1/4; figures are medians over rounds.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from gymnasium.vector import AutoresetMode

import hrm_agent  # noqa: F401  (registers the id)
from hrm_agent.halting.features import DEFAULT_FEATURES, signals_of
from hrm_agent.traces.record import TraceHeader, Traces

SLOTS = (1, 4, 16, 64, 256, 1024, 4096)


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        puzzles: Puzzles of the traces.
        budget: Segments of the traces.
        rounds: Measurements of each.
        seconds: Time of each measurement.
    """

    puzzles: int = 5000
    budget: int = 16
    rounds: int = 7
    seconds: float = 0.3


def made_up(puzzles: int, budget: int) -> Traces:
    """Traces with random signals."""
    rng = np.random.default_rng(0)
    shape = (puzzles, 1, budget)
    names = ("correct", *signals_of(DEFAULT_FEATURES))
    signals = {name: rng.integers(2, size=shape).astype(np.float32) for name in names}
    header = TraceHeader("copy:1x1", 1, 2, budget, 1, 0.0, dict.fromkeys(names, 1), "", "", puzzles)
    rows, tokens = np.arange(puzzles), np.ones((puzzles, 1), np.uint8)
    return Traces(header, rows, np.zeros(puzzles, np.int32), tokens, np.ones((*shape, 1), np.uint8), signals)


def rate(env: gym.vector.VectorEnv[Any, Any, Any], seconds: float) -> float:
    """Decisions per second."""
    rng = np.random.default_rng(0)
    actions = (rng.random((64, env.num_envs)) < 0.25).astype(np.int64)
    env.reset(seed=0)
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        env.step(actions[steps % len(actions)])
        steps += 1
    return steps * env.num_envs / (time.perf_counter() - started)


def main() -> None:
    """Measures and prints a table."""
    options = tyro.cli(Options)
    traces = made_up(options.puzzles, options.budget)
    sync: dict[str, Any] = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
    print(f"{'slots':>6} {'native/s':>12} {'sync/s':>12} {'ratio':>7}")
    for slots in SLOTS:
        native = gym.make_vec("HRM-Halting-v0", num_envs=slots, traces=traces)
        looped = None
        if slots <= 256:  # each scalar environment has features of its own
            looped = gym.make_vec("HRM-Halting-v0", num_envs=slots, traces=traces, **sync)
        rates = [
            (rate(native, options.seconds), rate(looped, options.seconds) if looped else float("nan"))
            for _ in range(options.rounds)
        ]
        fast, slow = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"{slots:6,} {fast:12,.0f} {slow:12,.0f} {fast / slow:7.1f}")


if __name__ == "__main__":
    main()
