"""Reads a data set of the Hugging Face hub that holds ``train.csv`` and ``test.csv``, such as Sudoku-Extreme."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

from hrm_env.extras import optional
from hrm_env.puzzles import Puzzles
from hrm_env.sources.csv_file import BadRows, check_csv_options, read_csv
from hrm_env.sources.generated import Split, check_split
from hrm_env.task import PuzzleTask


def read_hub(
    task: PuzzleTask,
    name: str,
    *,
    split: Split = "train",
    rows: str | None = None,
    bad_rows: BadRows = "raise",
    min_rating: int | None = None,
    max_rating: int | None = None,
    unique: bool = False,
) -> Puzzles:
    """Downloads a split, unless the hub's cache holds it, and reads it as `read_csv` does.

    The hub's own settings apply, such as the environment variables ``HF_HOME`` (the folder of its cache),
    ``HF_ENDPOINT`` (a mirror) and ``HF_HUB_OFFLINE``.

    Args:
        task: The puzzle family.
        name: ``"owner/name"``, or ``"owner/name@revision"`` for a branch, tag or commit.
        split: ``"train"`` or ``"test"``.
        rows: As in `read_csv`.
        bad_rows: As in `read_csv`.
        min_rating: As in `read_csv`.
        max_rating: As in `read_csv`.
        unique: As in `read_csv`.

    Raises:
        ValueError: The split cannot be downloaded, or a row is bad.
        DependencyNotInstalled: huggingface_hub is not installed.
    """
    check_split(split)
    check_csv_options(rows, bad_rows, min_rating, max_rating, unique)
    path = download(name, f"{split}.csv", "dataset")
    return read_csv(
        task, path, rows=rows, bad_rows=bad_rows, min_rating=min_rating, max_rating=max_rating, unique=unique
    )


def download(name: str, file: str, kind: Literal["dataset", "model"]) -> str:
    """Downloads a file unless the hub's cache holds it, and returns its path there.

    Args:
        name: ``"owner/name"``, or ``"owner/name@revision"``.
        file: Name of the file in the repository.
        kind: Kind of the repository.

    Raises:
        ValueError: It cannot be downloaded.
        DependencyNotInstalled: huggingface_hub is not installed.
    """
    hub = optional("huggingface_hub", "hub")
    repository, _, revision = name.partition("@")
    try:
        path: str = hub.hf_hub_download(repository, file, repo_type=kind, revision=revision or None)
    except Exception as error:  # including errors of its HTTP library, which differs between versions
        raise ValueError(
            f"hub:{name}: expected a {kind} that holds {file}, found {reason(error, hub.errors)}"
        ) from error
    return path


def reason(error: Exception, kinds: ModuleType) -> str:
    """Returns why the hub refused, in a few words."""
    reasons = {
        kinds.RepositoryNotFoundError: "none of this name, or one that asks for a token",
        kinds.RevisionNotFoundError: "no such revision",
        kinds.LocalEntryNotFoundError: "neither a connection to the hub nor a copy in its cache",
        kinds.EntryNotFoundError: "no such file in it",
    }
    texts = (text for kind, text in reasons.items() if isinstance(error, kind))
    return next(texts, " ".join(str(error).split()))
