"""What an optimizer step costs under each way of learning to halt.

    python -m benchmarks.learning_to_halt [--preset sudoku6x6]

Every variant of ``python -m train study-training`` trains by turns in one process.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.options import Count, TimedOptions, run
from benchmarks.presets import quiet_agent
from benchmarks.report import Part
from benchmarks.timing import side_by_side, training_turn
from train.study_training import VARIANTS, StudyTraining, options_of_run


@dataclass(frozen=True)
class Options(TimedOptions):
    """What to measure.

    Attributes:
        preset: Name of a preset.
        updates: Optimizer steps in a turn.
    """

    preset: str = "sudoku6x6"
    updates: Count = 20


def measure(options: Options) -> Part:
    """Times an optimizer step of every variant."""
    device = options.prepare()
    shared = ["--threads", str(options.threads), "--device", str(device)]
    study = StudyTraining(preset=options.preset)
    runs = {name: options_of_run(study, name, variant, 0, shared) for name, variant in VARIANTS.items()}
    calls = {name: training_turn(quiet_agent(fit), options.updates) for name, fit in runs.items()}
    times = side_by_side(calls, options.rounds, device, options.clock)
    return Part("learning-to-halt", f"{options.preset}: an optimizer step", times.rows("variant", options.updates))


if __name__ == "__main__":
    run(Options, measure)
