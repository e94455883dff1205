"""``python -m train study``: every halting policy on the same recorded puzzles, as a table, files and figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import UseAppendAction

from hrm_env.files import check_writable

from .options import Device, ProperShare, Seed, Threads, integer, number, parsed
from .trained import TestPuzzles

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM
    from hrm_agent.study.candidates import Candidate
    from hrm_agent.study.study import Plan
    from hrm_agent.traces.record import Traces


@dataclass(frozen=True)
class Study(TestPuzzles):
    """Compare halting policies on recorded puzzles: what accuracy each has, for how many segments.

    Attributes:
        checkpoint: Folder of a run, or a .zip file; give it again for each seed of the same training.
        policies: Halting policies between commas; empty for all rules with their sweeps and some combinations.
        reference: The policy that the others are compared with; empty for q-compare, or q-threshold:0.5 where an agent
            has no Q_continue.
        budget: Segments that every puzzle is recorded for, and policies may use.
        views: Views of each puzzle to record, for policies of many minds.
        noise: Noise on the start state of these views.
        calibration: Share of the puzzles, drawn at random, held out to calibrate thresholds and temperature; of puzzles
            that are variants of one another, share of their groups.
        risk: Accepted share of halts on a wrong answer, for a calibrated threshold; may be given several times.
        confidence: Of all intervals, and of the calibration's guarantees.
        joint: Make the guarantees of all risks and checkpoints hold at once, not each by itself.
        resamples: Of the bootstrap.
        seed: Of the bootstrap, and of the draw of calibration puzzles.
        out: Folder of recordings, tables and figures.
        figures: Draw the figures.
        tensorboard: Write a TensorBoard log.
        batch_size: Puzzles recorded at a time.
        threads: CPU threads; 0 for all cores.
        device: "auto", "cpu" or "cuda".
    """

    checkpoint: UseAppendAction[tuple[str, ...]] = ()
    policies: str | None = None
    reference: str = ""
    budget: Annotated[int, integer(1)] = 16
    views: Annotated[int, integer(1)] = 1
    noise: Annotated[float, number(0)] = 0.0
    calibration: Annotated[float, number(0, 1, excluded=(1,))] = 0.2
    risk: UseAppendAction[tuple[ProperShare, ...]] = ()
    confidence: ProperShare = 0.95
    joint: bool = False
    resamples: Annotated[int, integer(1)] = 1000
    seed: Seed = 0
    out: str = "runs/study"
    figures: bool = True
    tensorboard: bool = True
    batch_size: Annotated[int, integer(1)] = 256
    threads: Threads = 0
    device: Device = "auto"

    def plan(self, folders: Sequence[Path]) -> Plan:
        """What to compare, and how.

        Args:
            folders: Of the checkpoints; policies that were learned there are compared, too.

        Raises:
            ValueError: A policy is unknown, or a number is out of range.
        """
        from hrm_agent.halting import make, split_list
        from hrm_agent.study.study import Plan

        named = split_list(self.policies) if self.policies is not None else []
        if self.policies is not None and not named:  # an empty list is a slip, not all of them
            raise ValueError(f"--policies: expected halting policies between commas, found {self.policies!r}")
        extra = () if named else learned_policies(folders)
        for policy in (*named, *filter(None, [self.reference]), *(text for each in extra for text in each.policies)):
            make(policy)  # before anything is recorded
        plan = Plan(
            policies=tuple(named),
            extra=extra,
            reference=self.reference,
            budget=self.budget,
            calibration=self.calibration,
            confidence=self.confidence,
            joint=self.joint,
            resamples=self.resamples,
            seed=self.seed,
        )
        return replace(plan, risks=self.risk) if self.risk else plan


def main(arguments: list[str]) -> None:
    """Parses the options, records what is not recorded, compares, prints and writes."""
    options: Study = parsed(Study, arguments, "study")
    import torch

    from hrm_agent.checkpoints.checkpoint import existing_checkpoint
    from hrm_agent.sb3.agent import HRM
    from hrm_agent.study.figures.save import study_figures
    from hrm_agent.study.figures.style import save_figure
    from hrm_agent.study.study import study

    from .study_files import write_csv, write_json, write_tensorboard
    from .study_tables import print_study

    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    if not options.checkpoint:
        raise ValueError("--checkpoint: expected the folder of a run, found none")
    out = Path(options.out)
    check_writable("--out", out / "study.json")
    plan = options.plan([existing_checkpoint(each).parent for each in options.checkpoint])
    # a study brings its own policies, and an agent's may be one that its file cannot name
    models = [HRM.load(each, device=options.device, halting="fixed:1") for each in options.checkpoint]
    check_before_recording(options, plan, models)
    traces = [_recorded(options, number, model) for number, model in enumerate(models)]
    table, outcomes = study(traces, plan, _untrained(models))
    print_study(table)
    write_csv(table, out / "study.csv")
    write_json(table, out / "study.json")
    figures = study_figures(table, outcomes, traces, models[0].max_segments) if options.figures else {}
    for name, figure in figures.items():
        save_figure(figure, out / name)
    if options.tensorboard:
        write_tensorboard(table, figures, out / "study.tensorboard")
    print(f"table and figures   {out}")
    if options.tensorboard:
        print(f"TensorBoard         tensorboard --logdir {out / 'study.tensorboard'}")


def learned_policies(folders: Sequence[Path]) -> tuple[Candidate, ...]:
    """What ``learn-halting`` left beside all of the checkpoints, each checkpoint's own.

    Args:
        folders: Where the checkpoints lie.
    """
    from hrm_agent.study.candidates import Candidate

    names = [path.name for path in sorted(folders[0].glob("halting-*.zip"))]
    return tuple(
        Candidate(f"sb3:{name}", tuple(f"sb3:{folder / name}" for folder in folders), "learned")
        for name in names
        if all((folder / name).is_file() for folder in folders)
    )


def check_before_recording(options: Study, plan: Plan, models: Sequence[HRM]) -> None:
    """Refuses what would fail only once everything is recorded.

    Raises:
        ValueError: The agents are made for different puzzles, or a policy cannot be replayed.
    """
    from hrm_agent.study.study import served
    from hrm_agent.traces.header import TraceHeader
    from hrm_agent.traces.record import default_signals

    first, *others = (replace(model.puzzles, sizes=replace(model.puzzles.sizes, max_segments=1)) for model in models)
    for checkpoint, puzzles in zip(options.checkpoint[1:], others, strict=True):
        if puzzles != first:
            raise ValueError(
                f"--checkpoint: expected agents of the same puzzles, found {first} in {options.checkpoint[0]} and "
                f"{puzzles} in {checkpoint}"
            )
    sizes, signals = first.sizes, dict.fromkeys(default_signals(), 1)
    wanted = TraceHeader(
        first.task or "", sizes.seq_len, sizes.vocab_size, options.budget, options.views, options.noise, signals, "", ""
    )
    served(plan, wanted, options.budget, _untrained(models))


def _recorded(options: Study, number: int, model: HRM) -> Traces:
    """The traces of a checkpoint: read where they are complete, else recorded or recorded to the end.

    A recording of more segments than the budget serves as well.
    """
    from hrm_agent.checkpoints.checkpoint import existing_checkpoint
    from hrm_agent.traces.record import record

    checkpoint = options.checkpoint[number]
    path = Path(options.out) / "traces" / f"{number}-{existing_checkpoint(checkpoint).parent.name}.traces"
    segments = max(options.budget, _recorded_segments(path))
    env = options.environment(model, checkpoint, options.batch_size, segments)
    return record(
        model.policy.acting_core,
        env,
        path,
        views=options.views,
        noise=options.noise,
        source=" ".join((options.source, options.rows or "", *options.option)).strip(),
        progress=True,
    )


def _recorded_segments(path: Path) -> int:
    """Budget of a recording; 0 where there is none."""
    from hrm_agent.traces.header import LONGEST_LINE, parse

    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return parse(path, file.readline(LONGEST_LINE)).max_segments


def _untrained(models: Sequence[HRM]) -> dict[str, str]:
    """Signals that mean nothing in at least one agent, with the reason."""
    if not all(model.learner_config.learns_q_continue for model in models):
        return {"q_continue": "the agent was trained without Q_continue"}
    return {}
