"""``python -m train release``: a trained agent as a small file for everybody, with a model card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import UseAppendAction

from hrm_env.checks import check_number
from hrm_env.files import atomic_write, check_writable

from .options import parsed
from .results import read_result

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM

TAKEN = ("model.zip", "README.md", "best.zip", "result.json", "checkpoints")
"""What a release would overwrite, or a run has in its folder."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """Write the weights that act in bfloat16, without optimizer, as OUT/model.zip, and a model card as OUT/README.md.

    Attributes:
        checkpoint: Folder of a run, a .zip file, zoo:NAME or hub:owner/name; a result.json beside it goes into the
            card.
        out: Folder of the release, neither of a run nor of another release; its name is that of the agent. An agent in
            checkpoints/ of a clone belongs to the zoo.
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
    from hrm_agent.checkpoints.figures import check_figures
    from hrm_agent.checkpoints.names import zoo_folder
    from hrm_agent.sb3.agent import HRM

    from .card import FIGURES, card

    model = HRM.load(options.checkpoint, device="cpu")
    file, name = options.out / "model.zip", options.out.name
    run, figures = _run_of(options.checkpoint)
    figures |= {path.stem: check_figures(str(path), read_result(path), FIGURES) for path in options.evaluations}
    checkpoint = f"zoo:{name}" if options.out.absolute().parent == zoo_folder() else str(options.out)
    written = card(model, name, checkpoint, figures, run).encode()
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


def _run_of(checkpoint: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Returns the ``result.json`` beside a checkpoint and its figures, checked; both are empty where there is none."""
    from hrm_agent.checkpoints.figures import check_figures
    from hrm_agent.checkpoints.names import existing_checkpoint

    from .card import FIGURES

    path = existing_checkpoint(checkpoint).parent / "result.json"
    if not path.is_file():
        return {}, {}
    run = read_result(path)
    figures = {
        f"{name}, at the end of training": check_figures(f"{path}: {name}", run.get(name), FIGURES)
        for name in ("chosen", "all_segments")
    }
    check_number(f"{path}: training_seconds", run.get("training_seconds"), 0)
    return run, figures
