"""Decisions per second of HRM-Halting-v0: the native batched environment against Gymnasium's loop over scalar ones.

    python -m benchmarks.halting_env [--puzzles 5000] [--budget 16]

Both run side by side in one process on made-up traces and halt with probability 1/4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch

import hrm_agent  # noqa: F401  (registers the id)
from benchmarks.options import Count, run
from benchmarks.report import Part
from benchmarks.vector_env import HALTS, LOOP, LoopOptions, rates
from hrm_agent.halting.features import DEFAULT_FEATURES, signals_of
from hrm_agent.traces.record import TraceHeader, Traces
from train.running import use_threads


@dataclass(frozen=True, kw_only=True)
class Options(LoopOptions):
    """What to measure.

    Attributes:
        puzzles: Puzzles of the traces.
        budget: Segments of the traces.
    """

    slots: tuple[Count, ...] = (1, 4, 16, 64, 256, 1024, 4096)
    most_looped: int = 256
    transitions: Count = 131_072
    puzzles: Count = 5000
    budget: Count = 16


def made_up(puzzles: int, budget: int) -> Traces:
    """Returns traces with random signals."""
    rng = np.random.default_rng(0)
    shape = (puzzles, 1, budget)
    names = ("correct", *signals_of(DEFAULT_FEATURES))
    signals = {name: rng.integers(2, size=shape).astype(np.float32) for name in names}
    header = TraceHeader("copy:1x1", 1, 2, budget, 1, 0.0, dict.fromkeys(names, 1), "", "", puzzles)
    rows, tokens = np.arange(puzzles), np.ones((puzzles, 1), np.uint8)
    return Traces(header, rows, np.zeros(puzzles, np.int32), tokens, np.ones((*shape, 1), np.uint8), signals)


def measure(options: Options) -> Part:
    """Measures the decisions per second for every number of slots."""
    use_threads(options.threads)
    traces, rng = made_up(options.puzzles, options.budget), np.random.default_rng(0)
    rows = []
    for slots in options.slots:
        kinds: dict[str, dict[str, Any]] = {"native": {}, "loop": LOOP}
        if slots > options.most_looped:
            del kinds["loop"]
        envs = {name: gym.make_vec("HRM-Halting-v0", slots, traces=traces, **kind) for name, kind in kinds.items()}
        actions = (rng.random((64, slots)) < HALTS).astype(np.int64)
        rows.append(rates(envs, dict.fromkeys(envs, actions), options, torch.device("cpu")))
    return Part("halting-environment", f"HRM-Halting-v0, {options.puzzles:,} puzzles: decisions per second", rows)


if __name__ == "__main__":
    run(Options, measure)
