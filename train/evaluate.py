"""``python -m train evaluate``: score a checkpoint on every puzzle of a source, once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from hrm_env.files import atomic_write, check_writable

from .options import Device, Threads, integer, parsed
from .trained import Trained

if TYPE_CHECKING:
    from hrm_agent.inference.evaluation import Evaluation
    from hrm_env.puzzles import Puzzles
    from hrm_env.tasks.arc.task import Arc


@dataclass(frozen=True)
class Evaluate(Trained):
    """Score a checkpoint on every puzzle of a source, once.

    Attributes:
        batch_size: Puzzles at a time, in each process under torchrun.
        compile: Compute full batches with torch.compile (needs a C++ compiler): faster where there are many; the same
            answers but for rounding.
        threads: CPU threads; 0 for all cores.
        device: "auto", "cpu" or "cuda".
        json_out: Write the figures to this file, too.
        submission: ARC only: write the two best answers to each test to this file, as ARC Prize takes it.
    """

    batch_size: Annotated[int, integer(1)] = 256
    compile: bool = False
    threads: Threads = 0
    device: Device = "auto"
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
        with atomic_write(Path(options.json_out)) as file:
            file.write(json.dumps(summary, indent=2).encode())


def score_of(options: Evaluate) -> dict[str, Any]:
    """The figures of a sweep; under torchrun every process calls it, and sweeps its share of the puzzles."""
    import torch

    from hrm_agent.distributed import local_world_size, own_device, rank
    from hrm_env.devices import check_device
    from hrm_env.tasks.arc.task import Arc

    torch.set_num_threads(options.threads or max(1, (os.cpu_count() or 1) // local_world_size()))
    model = options.agent(str(own_device(check_device(options.device))), options.compile)
    task = options.task(model, options.checkpoint)
    if options.submission and not isinstance(task, Arc):
        raise ValueError(f"--submission: expected puzzles of ARC, found {task.spec.name}")
    env = options.environment(model, options.checkpoint, options.batch_size, options.max_segments)
    skipped = env.rules.puzzles.skipped
    evaluation = model.evaluate(env, progress_bar=True)
    summary = {"halting": model.halting.name, "skipped_rows": skipped, **evaluation.summary()}
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
