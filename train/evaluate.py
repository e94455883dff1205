"""``python -m train evaluate``: score a checkpoint on every puzzle of a source, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from hrm_env.files import check_writable

from .options import parsed
from .results import write_result
from .running import use_threads
from .trained import Computing, Trained

if TYPE_CHECKING:
    from hrm_agent.inference.evaluation import Evaluation
    from hrm_env.puzzles import Puzzles
    from hrm_env.tasks.arc.task import Arc


@dataclass(frozen=True)
class Evaluate(Computing, Trained):
    """Score a checkpoint on every puzzle of a source, once.

    Attributes:
        json_out: Write the figures to this file, too.
        submission: ARC only: write the two best answers to each test to this file, as ARC Prize takes it.
    """

    json_out: Annotated[str, tyro.conf.arg(name="json")] = ""
    submission: str = ""


def main(arguments: list[str]) -> None:
    """Parses the options and prints the figures."""
    options: Evaluate = parsed(Evaluate, arguments, "evaluate")
    from hrm_agent.distributed import process_group, rank
    from hrm_env.devices import check_device

    for option, path in (("--json", options.json_out), ("--submission", options.submission)):
        if path:
            check_writable(option, Path(path))
    with process_group(check_device(options.device)):
        summary = score_of(options)
        if rank():
            return
    for name, value in summary.items():
        print(f"{name:22} {_text(value)}")
    if options.json_out:
        write_result(Path(options.json_out), summary)


def score_of(options: Evaluate) -> dict[str, Any]:
    """The figures of a sweep; under torchrun every process calls it, and sweeps its share of the puzzles."""
    from hrm_agent.distributed import own_device, rank
    from hrm_env.devices import check_device
    from hrm_env.tasks.arc.task import Arc

    use_threads(options.threads)
    model = options.agent(str(own_device(check_device(options.device))), options.compile)
    task = options.task(model, options.checkpoint)
    if options.submission and not isinstance(task, Arc):
        raise ValueError(f"--submission: expected puzzles of ARC, found {task.spec.name}")
    env = options.environment(model, options.checkpoint, options.batch_size, options.max_segments)
    skipped = env.rules.puzzles.skipped
    evaluation = model.evaluate(env, progress_bar=True)
    changed = {"core_option": " ".join(options.core_option)} if options.core_option else {}
    summary = {"halting": model.halting.name, **changed, "skipped_rows": skipped, **evaluation.summary()}
    if isinstance(task, Arc):
        summary |= _voted(task, env.rules.puzzles, evaluation, "" if rank() else options.submission)
    return summary


def _voted(task: Arc, puzzles: Puzzles, evaluation: Evaluation, submission: str) -> dict[str, float]:
    """The figures of the vote over the variants of every ARC task; writes the submission where it has a name."""
    from hrm_env.tasks.arc.voting import score, vote, write_submission

    candidates = vote(task, puzzles, evaluation.answer, evaluation.q_halt)
    if submission:
        write_submission(Path(submission), candidates)
    return score(task, puzzles, candidates)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{item:.4f}" for item in value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)
