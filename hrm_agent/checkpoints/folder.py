"""The training checkpoints of a run, ``step-00000400.zip`` and so on; the newest are kept."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm_agent.checkpoints.training_state import TrainingCheckpoint, save_training
from hrm_agent.distributed import rank, run_on_rank0
from hrm_agent.errors import CheckpointError, DamagedCheckpointError

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


class CheckpointFolder:
    """The folder in which a run saves itself.

    Args:
        path: The folder; made if it is missing.
        keep: Number of checkpoints to keep.

    Raises:
        ValueError: ``keep`` is less than 1.
    """

    def __init__(self, path: Path, keep: int = 3) -> None:
        if keep < 1:
            raise ValueError(f"keep: expected at least 1 checkpoint, found {keep}")
        self.path, self.keep = path, keep

    def files(self) -> list[Path]:
        """Returns all checkpoints, the newest first."""
        return sorted(self.path.glob("step-*.zip"), reverse=True)

    def file_of(self, updates: int) -> Path:
        """Returns the file of the checkpoint after a number of optimizer steps."""
        return self.path / f"step-{updates:08d}.zip"

    def save(self, model: HRM, extra: Mapping[str, Any]) -> None:
        """Writes a checkpoint and deletes those that are too old; see `save_training`."""
        file = self.file_of(model._n_updates)
        save_training(model, file, extra)
        if rank():
            return
        # newer ones are damaged, or the run would have gone on from there
        before = [other for other in self.files() if other < file]
        for other in self.files():
            if other != file and other not in before[: self.keep - 1]:
                other.unlink(missing_ok=True)

    def newest(self) -> TrainingCheckpoint | None:
        """Returns the newest intact checkpoint, None if there are no files; warns of each damaged one that is newer.

        Every rank of a distributed run calls it, and returns the one that rank 0 finds.

        Raises:
            CheckpointError: All are damaged; or the newest of the others is of another format or cannot be read now; a
                run that went on without it would delete it.
        """
        found: TrainingCheckpoint | None = None

        def search() -> Path | None:
            nonlocal found
            found = self._search()
            return None if found is None else found.path

        path = run_on_rank0(search)
        return TrainingCheckpoint.read(path) if rank() and path is not None else found

    def _search(self) -> TrainingCheckpoint | None:
        files, damage = self.files(), ""
        for file in files:
            if damage:
                warnings.warn(f"{damage}; an older one is looked for", stacklevel=5)
            try:
                return TrainingCheckpoint.read(file)
            except DamagedCheckpointError as error:
                damage = str(error)
        if damage:
            raise CheckpointError(damage + f", like all {len(files)} of the run" * (len(files) > 1))
        return None

    def clear(self) -> None:
        """Deletes all checkpoints."""
        for file in self.files():
            file.unlink()
