"""``python -m train study``: compares halting policies on recorded puzzles, as a table, files and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import UseAppendAction

from hrm_env.files import check_writable

from .options import ProperShare, Seed, integer, number, parsed
from .running import use_threads
from .trained import Computing, TestPuzzles

if TYPE_CHECKING:
    from hrm_agent.study.candidates import Candidate
    from hrm_agent.study.study import StudyPlan


@dataclass(frozen=True)
class StudyOptions(Computing, TestPuzzles):
    """Compare halting policies on recorded puzzles: the accuracy and the segments of each.

    Attributes:
        checkpoint: Folder of a run, a .zip file, zoo:NAME or hub:owner/name; repeat it for each seed of the same
            training.
        policies: Halting policies, separated by commas; empty for all rules with their sweeps and some combinations.
        reference: Policy that the others are compared with; empty for q-compare, or for q-threshold:0.5 if an agent has
            no Q_continue.
        budget: Segments to record for every puzzle; policies may use as many.
        views: Views to record of each puzzle, for policies of several views.
        noise: Standard deviation of the noise on the start state of these views.
        segment_noise: Standard deviation of the noise in their later segments.
        random_start: Standard deviation of random start states in place of theirs; 0 for none.
        calibration: Share of the puzzles, drawn at random, held out to calibrate thresholds and temperature; puzzles
            that are variants of one another are drawn as a group.
        risk: Accepted share of halts on a wrong answer, for a calibrated threshold; may be repeated.
        confidence: Confidence of all intervals, and of the calibration's guarantees.
        joint: Make the guarantees of all risks and checkpoints hold at once, not only each by itself.
        resamples: Number of bootstrap resamples.
        seed: Seed for bootstrap resampling and for the draw of calibration puzzles.
        out: Folder for recordings, tables and figures.
        figures: Draw the figures.
        page: Write study.html, a page with charts and puzzles to choose from.
        tensorboard: Write a TensorBoard log.
    """

    checkpoint: UseAppendAction[tuple[str, ...]] = ()
    policies: str | None = None
    reference: str = ""
    budget: Annotated[int, integer(1)] = 16
    views: Annotated[int, integer(1)] = 1
    noise: Annotated[float, number(0)] = 0.0
    segment_noise: Annotated[float, number(0)] = 0.0
    random_start: Annotated[float, number(0)] = 0.0
    calibration: Annotated[float, number(0, 1, excluded=(1,))] = 0.2
    risk: UseAppendAction[tuple[ProperShare, ...]] = ()
    confidence: ProperShare = 0.95
    joint: bool = False
    resamples: Annotated[int, integer(1)] = 1000
    seed: Seed = 0
    out: str = "runs/study"
    figures: bool = True
    page: bool = True
    tensorboard: bool = True

    def plan(self, folders: Sequence[Path]) -> StudyPlan:
        """Returns what to compare, and how.

        Args:
            folders: Folders of the checkpoints; policies that were learned there are compared, too.

        Raises:
            ValueError: A policy is unknown, or a number is out of range.
        """
        from hrm_agent.halting import make, split_list
        from hrm_agent.study.study import StudyPlan

        named = split_list(self.policies) if self.policies is not None else []
        if self.policies is not None and not named:  # an empty list is an error, not a wish for all policies
            raise ValueError(f"--policies: expected halting policies between commas, found {self.policies!r}")
        extra = () if named else learned_policies(folders)
        for policy in (*named, *filter(None, [self.reference]), *(text for each in extra for text in each.policies)):
            make(policy)  # before anything is recorded
        same = {field.name: getattr(self, field.name) for field in fields(StudyPlan) if hasattr(self, field.name)}
        same |= {"risks": self.risk} if self.risk else {}
        return StudyPlan(**same | {"policies": tuple(named), "extra": extra})


def main(arguments: list[str]) -> None:
    """Parses the options, records puzzles if needed, compares the policies, prints and writes the results."""
    options: StudyOptions = parsed(StudyOptions, arguments, "study")
    from hrm_agent.checkpoints.names import folder_beside
    from hrm_agent.study.figures.save import study_figures
    from hrm_agent.study.figures.style import save_figure
    from hrm_agent.study.page.page import study_page
    from hrm_agent.study.study import run_study

    from .study_files import write_csv, write_json, write_page, write_tensorboard
    from .study_recording import check_before_recording, recorded, untrained_signals
    from .study_tables import print_study

    use_threads(options.threads)
    if not options.checkpoint:
        raise ValueError("--checkpoint: expected the folder of a run, found none")
    out = Path(options.out)
    check_writable("--out", out / "study.json")
    plan = options.plan([folder_beside(each) for each in options.checkpoint])
    # a study names its own policies, and a file may not be able to name the agent's
    own = {"device": options.device, "compile": options.compile, "halting": "fixed:1"}
    models = [options.load_agent(each, **own) for each in options.checkpoint]
    check_before_recording(options, plan, models)
    traces = [recorded(options, number, model) for number, model in enumerate(models)]
    table, replays = run_study(traces, plan, untrained_signals(models))
    print_study(table)
    write_csv(table.frame(), out / "study.csv")
    write_json(table, out / "study.json")
    figures = study_figures(table, replays, models[0].max_segments) if options.figures else {}
    for name, figure in figures.items():
        save_figure(figure, out / name)
    if options.page:
        task = options.task(models[0], options.checkpoint[0])
        write_page(study_page(table, replays, task, models[0].max_segments), out / "study.html")
    if options.tensorboard:
        write_tensorboard(table, figures, out / "study.tensorboard")
    print(f"table and figures   {out}")
    if options.page:
        print(f"page                {out / 'study.html'}")
    if options.tensorboard:
        print(f"TensorBoard         tensorboard --logdir {out / 'study.tensorboard'}")


def learned_policies(folders: Sequence[Path]) -> tuple[Candidate, ...]:
    """Returns the policies that ``learn-halting`` wrote beside every checkpoint, each with its own weights.

    Args:
        folders: Folders of the checkpoints.
    """
    from hrm_agent.study.candidates import Candidate

    names = [path.name for path in sorted(folders[0].glob("halting-*.zip"))]
    return tuple(
        Candidate(f"sb3:{name}", tuple(f"sb3:{folder / name}" for folder in folders), "learned")
        for name in names
        if all((folder / name).is_file() for folder in folders)
    )
