"""What the name of a checkpoint means: a file, a run, ``zoo:NAME`` or ``hub:OWNER/NAME``. Every reader asks here.

The agents of the zoo are those of ``checkpoints/`` in a clone. The wheel has the same folder as package data, so that
an installed package needs no network for them. Agents of the hub are downloaded once, into the hub's cache.
"""

from __future__ import annotations

from pathlib import Path

from hrm_agent.errors import CheckpointError
from hrm_env.checks import check_choice

_FILE = "model.zip"
"""The agent in the folder of a run or a release."""


def checkpoint_path(path: str | Path) -> Path:
    """Returns the file to write for a checkpoint named with or without ``.zip``, even if a folder has its name."""
    path = Path(path)
    return path if path.suffix == ".zip" else path.with_name(path.name + ".zip")


def existing_checkpoint(path: str | Path) -> Path:
    """Returns the file to read: the one of this very name, ``model.zip`` in the folder of a run, or with ``.zip``.

    Args:
        path: A file, a folder, ``zoo:NAME`` for an agent of the zoo, or ``hub:OWNER/NAME[@REVISION]`` for one of the
            Hugging Face hub, which is downloaded unless the hub's cache holds it.

    Raises:
        CheckpointError: There is no such agent in the zoo or on the hub.
        DependencyNotInstalled: The agent is the hub's, and huggingface_hub is not installed.
    """
    kind, name = _released(path)
    try:
        if kind == "zoo":
            known = [f"zoo:{each}" for each in zoo_names()]
            return zoo_folder() / check_choice("checkpoint", f"zoo:{name}", known).removeprefix("zoo:") / _FILE
        if kind == "hub":
            from hrm_env.sources.hub import download

            return Path(download(name, _FILE, "model"))
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    path = Path(path)
    if not path.is_dir():
        return path if path.exists() else checkpoint_path(path)
    of_run = path / _FILE
    return of_run if of_run.exists() or not path.name or not checkpoint_path(path).exists() else checkpoint_path(path)


def folder_beside(path: str | Path) -> Path:
    """Returns the folder for what is made from a checkpoint: its own, or ``runs/NAME`` for a released agent.

    Args:
        path: As in `existing_checkpoint`.
    """
    kind, name = _released(path)
    return Path("runs", name.partition("@")[0].rpartition("/")[2]) if kind else existing_checkpoint(path).parent


def zoo_folder() -> Path:
    """Returns the folder of the released agents: ``hrm_zoo`` of the installed package, ``checkpoints`` of a clone."""
    root = Path(__file__).parents[2]
    installed = root / "hrm_zoo"
    return installed if installed.is_dir() else root / "checkpoints"


def zoo_names() -> list[str]:
    """Returns the names of the released agents."""
    return sorted(file.parent.name for file in zoo_folder().glob(f"*/{_FILE}"))


def _released(path: str | Path) -> tuple[str, str]:
    """Returns ``"zoo"`` or ``"hub"`` and the rest of the name; two empty texts for a file or a folder."""
    kind, _, name = str(path).partition(":")
    return (kind, name) if kind in ("zoo", "hub") else ("", "")
