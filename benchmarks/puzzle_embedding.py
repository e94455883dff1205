"""The time of a training step against the number of puzzle ids: it should not depend on it.

    python -m benchmarks.puzzle_embedding [--ids 1 1000 100000 1000000]

All tables are timed side by side in one run: a turn is one training step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.options import Count, TimedOptions, run
from benchmarks.report import Part
from benchmarks.timing import learner_turn, side_by_side
from hrm_agent import halting
from hrm_agent.config import LearnerConfig
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.learning.learner import Learner
from train.options import Threads

SEQ_LEN, VOCAB_SIZE, BUDGET = 16, 6, 4


@dataclass(frozen=True, kw_only=True)
class Options(TimedOptions):
    """What to measure.

    Attributes:
        ids: Numbers of puzzle ids; ratios are to the first.
        hidden_size: Width of the core and of a row of the table.
        batch_size: Puzzles in a step, each with a random id.
    """

    rounds: Count = 50
    threads: Threads = 1
    ids: tuple[Count, ...] = (1, 1_000, 100_000, 1_000_000)
    hidden_size: Count = 64
    batch_size: Count = 64


def make_learner(num_puzzle_ids: int, hidden_size: int, device: torch.device) -> Learner:
    """Returns a learner of a small core with a moving average."""
    torch.manual_seed(0)
    shape = PuzzleShape(SEQ_LEN, VOCAB_SIZE, num_puzzle_ids)
    core = make_core(shape, hidden_size=hidden_size, num_heads=2, h_layers=1, l_layers=1, h_cycles=1, l_cycles=1)
    config = LearnerConfig(ema=0.999, q_bootstrap="next-step")
    return Learner(core.to(device), halting.make("q-compare"), BUDGET, config)


def measure(options: Options) -> Part:
    """Times a training step with each table."""
    device = options.prepare()
    learners = {f"{count:,}": make_learner(count, options.hidden_size, device) for count in options.ids}
    calls = {ids: learner_turn(learner, options.batch_size) for ids, learner in learners.items()}
    times = side_by_side(calls, options.rounds, device, options.clock, warm_up=3)
    title = f"A training step against the number of puzzle ids: batch {options.batch_size}, width {options.hidden_size}"
    return Part("puzzle-embedding", title, times.rows("puzzle ids"))


if __name__ == "__main__":
    run(Options, measure)
