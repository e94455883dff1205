"""Hand-made traces from which an algorithm can learn to halt."""

from __future__ import annotations

import numpy as np

from hrm_agent.halting.features import DEFAULT_FEATURES, signals_of
from hrm_agent.traces.record import TraceHeader, Traces

BUDGET = 4


def random_traces(puzzles: int = 12, budget: int = BUDGET, seed: int = 0) -> Traces:
    """Returns two views of puzzles of three cells, with random signals and answers; ``state`` has two numbers."""
    rng = np.random.default_rng(seed)
    shape = (puzzles, 2, budget)
    signals = {name: rng.uniform(0, 1, shape).astype(np.float32) for name in signals_of(DEFAULT_FEATURES)}
    signals["q_halt"] = rng.normal(0, 3, shape).astype(np.float32)
    signals["correct"] = rng.integers(2, size=shape).astype(np.float32)
    signals["state"] = rng.normal(0, 1, (*shape, 2)).astype(np.float32)
    return traces_of(signals)


def telling_traces(puzzles: int = 200, budget: int = BUDGET, seed: int = 0) -> Traces:
    """Returns puzzles whose best policy is known: halt when Q_halt or the entropy says so.

    A positive Q_halt marks a correct answer; a high entropy marks the quarter of puzzles that are never solved. The
    others are solved from a random segment on.
    """
    rng = np.random.default_rng(seed)
    solved_at = rng.integers(budget, size=puzzles)
    hopeless = rng.random(puzzles) < 0.25
    right = (np.arange(budget) >= solved_at[:, None]) & ~hopeless[:, None]
    signals = {
        name: np.full((puzzles, 1, budget), 0.5, np.float32) for name in ("correct", *signals_of(DEFAULT_FEATURES))
    }
    signals["correct"] = right[:, None].astype(np.float32)
    signals["q_halt"] = np.where(right, 3.0, -3.0)[:, None].astype(np.float32)
    signals["entropy"] = np.where(hopeless, 1.0, 0.001)[:, None, None].repeat(budget, 2).astype(np.float32)
    return traces_of(signals)


def traces_of(signals: dict[str, np.ndarray]) -> Traces:
    """Returns traces with these signals ``(N, V, M)``; their other content has no meaning."""
    puzzles, views, budget = signals["correct"].shape
    widths = {name: signal.shape[3] if signal.ndim == 4 else 1 for name, signal in signals.items()}
    header = TraceHeader("copy:1x3", 3, 5, budget, views, 0.0, widths, "hand", "made", puzzles)
    answers = np.ones((puzzles, views, budget, 3), np.uint8)
    rows = np.arange(puzzles)
    return Traces(header, rows, np.zeros(puzzles, np.int32), np.ones((puzzles, 3), np.uint8), answers, signals)
