"""The time of a training step against the number of puzzle ids: it should not depend on it.

    python -m benchmarks.puzzle_embedding [--ids 1 1000 100000 1000000]

All tables are timed side by side in one run: every round takes one training step with each of them.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
import tyro

from hrm_agent import halting
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.learning.config import LearnerConfig
from hrm_agent.learning.learner import Learner
from hrm_env.task import PuzzleBatch

SEQ_LEN, VOCAB_SIZE, BUDGET = 16, 6, 4


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        ids: Numbers of puzzle ids; ratios are to the first.
        hidden_size: Width of the core and of a row of the table.
        batch_size: Puzzles in a step, each of a random id.
        rounds: Steps the median is over.
        threads: CPU threads.
    """

    ids: tuple[int, ...] = (1, 1_000, 100_000, 1_000_000)
    hidden_size: int = 64
    batch_size: int = 64
    rounds: int = 50
    threads: int = 1


def make_learner(num_puzzle_ids: int, hidden_size: int) -> Learner:
    """A learner of a small core with a moving average."""
    torch.manual_seed(0)
    shape = PuzzleShape(SEQ_LEN, VOCAB_SIZE, num_puzzle_ids)
    core = make_core(shape, hidden_size=hidden_size, num_heads=2, h_layers=1, l_layers=1, h_cycles=1, l_cycles=1)
    return Learner(core, halting.make("q-compare"), BUDGET, LearnerConfig(ema=0.999, q_bootstrap="next-step"))


def seconds_of_a_step(learner: Learner, batch_size: int) -> float:
    """Wall time of one training step on random puzzles."""
    inputs = torch.randint(1, VOCAB_SIZE, (batch_size, SEQ_LEN))
    batch = PuzzleBatch(inputs, inputs, torch.randint(learner.core.shape.num_puzzle_ids, (batch_size,)))
    carry, segment = learner.core.initial_carry(batch_size), torch.zeros(batch_size, dtype=torch.long)
    started = time.perf_counter()
    learner.step(carry, batch, segment)
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints a table."""
    options = tyro.cli(Options)
    torch.set_num_threads(options.threads)
    learners = [make_learner(count, options.hidden_size) for count in options.ids]
    rounds = [
        [seconds_of_a_step(learner, options.batch_size) for learner in learners] for _ in range(options.rounds + 3)
    ][3:]  # without the first, cold steps
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    print(f"batch {options.batch_size}, width {options.hidden_size}, median of {options.rounds} steps")
    for count, median in zip(options.ids, medians, strict=True):
        print(f"{count:9,d} puzzle ids {1e3 * median:9.2f} ms  {median / medians[0]:7.2f} x")


if __name__ == "__main__":
    main()
