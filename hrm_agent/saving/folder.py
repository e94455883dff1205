"""The training checkpoints of a run: ``step-00000400.zip`` and so on, of which the newest are kept."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm_agent.distributed import of_rank_zero, rank
from hrm_agent.saving.checkpoint import CheckpointError
from hrm_agent.saving.training_state import TrainingCheckpoint, save_training

if TYPE_CHECKING:
    from hrm_agent.agent import HRM


class CheckpointFolder:
    """Where a run saves itself.

    Args:
        path: The folder; made where it is missing.
        keep: How many checkpoints to keep.

    Raises:
        ValueError: None would be kept.
    """

    def __init__(self, path: Path, keep: int = 3) -> None:
        if keep < 1:
            raise ValueError(f"keep: expected at least 1 checkpoint, found {keep}")
        self.path, self.keep = path, keep

    def files(self) -> list[Path]:
        """All checkpoints, the newest first."""
        return sorted(self.path.glob("step-*.zip"), reverse=True)

    def file_of(self, updates: int) -> Path:
        """The checkpoint after so many optimizer steps."""
        return self.path / f"step-{updates:08d}.zip"

    def save(self, model: HRM, extra: Mapping[str, Any]) -> None:
        """Writes a checkpoint, then deletes what is too old; see `save_training`."""
        file = self.file_of(model._n_updates)
        save_training(model, file, extra)
        if rank():
            return
        # what is newer could not be read, or the run would have gone on from there
        before = [other for other in self.files() if other < file]
        for other in self.files():
            if other != file and other not in before[: self.keep - 1]:
                other.unlink(missing_ok=True)

    def newest(self) -> TrainingCheckpoint | None:
        """The newest complete checkpoint; a warning for each damaged one that is newer.

        Every rank of a distributed run calls it, and gets the one that rank 0 finds.
        """
        found = None if rank() else self._search()
        path = of_rank_zero(None if found is None else found.path)
        return TrainingCheckpoint.read(path) if rank() and path is not None else found

    def _search(self) -> TrainingCheckpoint | None:
        for file in self.files():
            try:
                return TrainingCheckpoint.read(file)
            except CheckpointError as error:
                warnings.warn(f"{error}; an older one is looked for", stacklevel=2)
        return None

    def clear(self) -> None:
        """Deletes all checkpoints."""
        for file in self.files():
            file.unlink()
