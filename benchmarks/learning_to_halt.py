"""What an optimizer step costs under each way of learning to halt.

    python -m benchmarks.learning_to_halt [--preset sudoku6x6]

Every variant of ``python -m train study-training`` trains by turns in one process; printed are medians of the seconds
an optimizer step takes, and their ratio to the first variant's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass

import tyro

from hrm_agent.sb3.agent import HRM
from train.study_training import VARIANTS, StudyTraining, options_of_run
from train.training import make_agent


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        preset: Name of a preset.
        rounds: Turns of each variant, which the median is over.
        updates: Optimizer steps in a turn.
        threads: CPU threads; 0 for all cores.
    """

    preset: str = "sudoku6x6"
    rounds: int = 7
    updates: int = 20
    threads: int = 0


def main() -> None:
    """Measures and prints."""
    options = tyro.cli(Options)
    with tempfile.TemporaryDirectory() as folder:
        study = StudyTraining(preset=options.preset, out=folder)
        shared = ["--threads", str(options.threads)]
        agents = {
            name: make_agent(options_of_run(study, name, variant, 0, shared))[0] for name, variant in VARIANTS.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in agents}
        for turn in range(options.rounds + 1):
            for name, agent in agents.items():
                taken = timed(agent, options.updates)
                if turn:  # the first one warms up
                    seconds[name].append(taken)
    first = statistics.median(next(iter(seconds.values())))
    for name, taken_by in seconds.items():
        median = statistics.median(taken_by)
        print(f"{name:20} {median * 1000:6.1f} ms a step   {median / first:.2f}×")


def timed(agent: HRM, updates: int) -> float:
    """Seconds of an optimizer step."""
    started = time.perf_counter()
    agent.learn(updates * agent.n_envs, reset_num_timesteps=False)
    return (time.perf_counter() - started) / updates


if __name__ == "__main__":
    main()
