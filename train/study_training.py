"""``python -m train study-training``: trains one preset under several halting rules, targets and prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction

from hrm_env.checks import check_choice

from .options import integer, read_options_in_part
from .presets import PRESETS, Fit, run_folder
from .program import program
from .variants import Variant, options_of_variant, variants_from

VARIANTS = {
    "preset": Variant(),
    "no halting": Variant("--halting fixed:{budget}"),
    "q-compare": Variant("--halting q-compare"),
    "second pass": Variant("--halting q-compare --q-bootstrap second-pass"),
    "no target": Variant("--q-bootstrap none"),
    "residual": Variant("--halting residual:0.1 --q-bootstrap none"),
    "patience": Variant("--halting patience:1 --q-bootstrap none"),
    "verifier": Variant("--halting verifier --q-bootstrap none"),
    "PonderNet": Variant(
        "--halting fixed:{budget} --halt-loss pondernet --ponder-prior 0.5 --ponder-weight 0.1", judged="cdf:0.5"
    ),
    "exploration 0": Variant("--exploration 0"),
    "exploration 0.3": Variant("--exploration 0.3"),
    "price 0.01": Variant("--halting q-compare --segment-cost 0.01"),
    "price 0.05": Variant("--halting q-compare --segment-cost 0.05"),
}
"""The variants of a study by default."""


@dataclass(frozen=True)
class StudyTraining:
    """Train a preset in several variants and seeds, and compare them on the same test puzzles.

    Finished runs are not trained again, and stopped runs are resumed. All other arguments, such as
    --updates 400 --threads 1, are options of ``fit`` for every run.

    Attributes:
        preset: Preset of ``fit`` that the variants change.
        variant: name=options of ``fit``, such as "slow=--learning-rate 1e-3"; replaces the default list.
        only: Name from the default list; may be repeated; empty for all.
        seeds: Number of seeds of every variant: 0, 1, ...
        out: Folder of the study.
    """

    preset: str = "sudoku4x4"
    variant: Annotated[tuple[str, ...], UseAppendAction] = ()
    only: Annotated[tuple[str, ...], UseAppendAction] = ()
    seeds: Annotated[int, integer(1)] = 3
    out: str = "runs/study-{preset}"


def main(arguments: list[str]) -> None:
    """Parses the options, trains the unfinished runs, prints the table and writes it."""
    start = program("study-training")
    study, shared = read_options_in_part(StudyTraining, arguments, start)
    from .resume import RunFolder, stopping
    from .training import fit
    from .training_table import print_table, results_of, write_table

    variants = chosen_variants(study)
    runs = {
        name: [options_of_run(study, name, variant, seed, shared) for seed in range(study.seeds)]
        for name, variant in variants.items()
    }
    with stopping(start, arguments):
        for same_seed in zip(*runs.values(), strict=True):
            for run in same_seed:
                if not RunFolder(run_folder(run), run).is_finished():
                    fit(run)
    results = results_of(runs, {name: variant.judged or runs[name][0].halting for name, variant in variants.items()})
    print_table(results, f"{study.preset}, {study.seeds} seeds")
    write_table(results, folder_of(study))
    print(f"{folder_of(study) / 'training.csv'}, training.json")


def chosen_variants(study: StudyTraining) -> dict[str, Variant]:
    """Returns the variants of a study by name.

    Raises:
        ValueError: A variant is not ``name=options``, or a name is not in the default list.
    """
    check_choice("--preset", study.preset, PRESETS)
    if study.variant:
        return variants_from(study.variant)
    return {check_choice("--only", name, VARIANTS): VARIANTS[name] for name in study.only or VARIANTS}


def folder_of(study: StudyTraining) -> Path:
    """Returns the folder that a study writes to."""
    return Path(study.out.replace("{preset}", study.preset))


def options_of_run(study: StudyTraining, name: str, variant: Variant, seed: int, shared: Sequence[str]) -> Fit:
    """Returns all options of one run; ``shared`` are the options of ``fit`` for every run."""
    return options_of_variant(folder_of(study), name, variant, seed, ["--preset", study.preset, *shared])
