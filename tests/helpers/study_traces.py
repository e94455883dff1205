"""Traces of four puzzles made by hand, for studies whose numbers can be computed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hrm_agent.traces.record import TraceHeader, Traces

PUZZLES, BUDGET = 4, 4
# c_m of four puzzles: right from the start, from the second segment, at the third alone, never
CORRECT = [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]]
Q_HALT = [[3, 3, 3, 3], [-1, 2, 3, 3], [-1, -1, 1, 1], [-2, -2, -2, 2]]
Q_CONTINUE = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 2, 0], [0, 0, 0, 0]]


def traces(signals: Mapping[str, Sequence[Sequence[float]]], views: int = 1, repeat: int = 1) -> Traces:
    """Returns a hand-made recording, each puzzle ``repeat`` times."""
    arrays = {name: np.tile(np.array(values, np.float32), (repeat, 1)) for name, values in signals.items()}
    arrays = {name: np.repeat(values[:, None], views, axis=1) for name, values in arrays.items()}
    count, _, budget = arrays["correct"].shape
    header = TraceHeader("copy:2x2", 4, 5, budget, views, 0.0, dict.fromkeys(arrays, 1), "agent", "by hand", count)
    index = np.arange(count)
    inputs = np.tile(index[:, None] % 5, (1, 4)).astype(np.uint8)
    answers = np.zeros((count, views, budget, 4), np.uint8)
    return Traces(header, index, (index % 4).astype(np.int32), inputs, answers, arrays)


def hand_made(repeat: int = 1) -> Traces:
    return traces({"correct": CORRECT, "q_halt": Q_HALT, "q_continue": Q_CONTINUE}, repeat=repeat)
