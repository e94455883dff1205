"""``python -m train release``: a trained agent as a small file for everybody, with a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import UseAppendAction

from hrm_env.checks import check_number
from hrm_env.files import atomic_write, check_writable

from .options import parsed
from .program import program
from .results import read_result

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM

TAKEN = ("model.zip", "README.md", "best.zip", "result.json", "checkpoints")
"""What a release would overwrite, or a run has in its folder."""


FIGURES = ("puzzles", "exact", "segments_mean")
"""What the card shows of a sweep."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """Write the weights that act in bfloat16, without optimizer, as OUT/model.zip, and a model card as OUT/README.md.

    Attributes:
        checkpoint: Folder of a run, or a .zip file; a result.json beside it goes into the card.
        out: Folder of the release, neither of a run nor of another release; its name is that of the agent.
        evaluations: Figures that ``evaluate --json FILE`` wrote, for the card; may be given several times.
    """

    checkpoint: str
    out: Path
    evaluations: Annotated[UseAppendAction[tuple[Path, ...]], tyro.conf.arg(name="evaluation")] = ()


def main(arguments: list[str]) -> None:
    """Parses the options and writes the release."""
    options: Release = parsed(Release, arguments, "release")
    check_writable("--out", options.out / "model.zip")
    taken = next((name for name in TAKEN if (options.out / name).exists()), None)
    if taken is not None:
        raise ValueError(f"--out: expected a folder without a run or a release, found {options.out / taken}")
    from hrm_agent.sb3.agent import HRM

    model = HRM.load(options.checkpoint, device="cpu")
    file = options.out / "model.zip"
    written = card(model, options).encode()
    write_release(model, file)
    with atomic_write(options.out / "README.md") as text:
        text.write(written)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, {model._n_updates:,} optimizer steps")
    print(f"{options.out / 'README.md'}: the model card")


def write_release(model: HRM, file: Path) -> None:
    """Writes the weights of an agent that act, in bfloat16, and its options.

    Raises:
        NonFiniteError: A weight is not finite.
    """
    from hrm_agent.checkpoints.agent_file import agent_contents
    from hrm_agent.checkpoints.checkpoint import write_checkpoint
    from hrm_agent.checkpoints.small_files import released

    config, _ = agent_contents(model, file)
    write_checkpoint(file, *released(config, model.policy.acting_core))


def card(model: HRM, options: Release) -> str:
    """The model card: what the agent is, how to use it, its figures, and every option it was trained with."""
    from hrm_agent.checkpoints.checkpoint import existing_checkpoint
    from hrm_agent.checkpoints.figures import check_figures
    from hrm_agent.sb3.run_card import run_options, table

    size = sum(parameter.numel() for parameter in model.policy.core.parameters())
    result = existing_checkpoint(options.checkpoint).parent / "result.json"
    figures: dict[str, Mapping[str, Any]] = {}
    lines = [
        f"# {options.out.name}",
        "",
        f"{size:,} parameters, made for {model.puzzles.task or 'a puzzle without a name'}, after {model._n_updates:,} "
        "optimizer steps; weights (the moving average, where there is one) in bfloat16.",
        "",
        f"    {program('evaluate')} --checkpoint {options.out} --source FILE",
        f"    {program('watch')} --checkpoint {options.out} --source FILE",
        "",
    ]
    if result.is_file():
        run = read_result(result)
        figures |= {
            f"{name}, at the end of training": check_figures(f"{result}: {name}", run.get(name), FIGURES)
            for name in ("chosen", "all_segments")
        }
        minutes = check_number(f"{result}: training_seconds", run.get("training_seconds"), 0) / 60
        lines += [f"Trained for {minutes:.1f} minutes, sweeps included.", ""]
    figures |= {path.stem: check_figures(str(path), read_result(path), FIGURES) for path in options.evaluations}
    if figures:
        lines += ["| | puzzles | exact | segments, mean | halting |", "|---|---:|---:|---:|---|"]
        lines += [
            f"| {name} | {found['puzzles']:,} | {found['exact']:.2%} | {found['segments_mean']:.2f} "
            f"| {found.get('halting', '')} |"
            for name, found in figures.items()
        ]
        lines.append("")
    return "\n".join([*lines, table({"option": "value"} | run_options(model))]) + "\n"
