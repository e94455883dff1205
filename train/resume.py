"""Resuming runs: what a folder holds, whether it is a run of the same options, and the command that resumes it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrm_agent.checkpoints.folder import CheckpointFolder
from hrm_agent.checkpoints.saved_agent import entries_of
from hrm_agent.checkpoints.training_state import TrainingCheckpoint
from hrm_agent.distributed import rank, run_on_rank0
from hrm_agent.errors import CheckpointError
from hrm_agent.sb3.save_callback import Stopped
from hrm_env.checks import check_number, shortened
from hrm_env.files import remove_temporaries
from hrm_env.files.locks import sole_use

from .presets import Fit
from .results import read_result

PLACES = ("resume", "restart", "out", "device", "threads", "compile", "checkpoint_seconds", "keep_checkpoints")
"""Options of where and how a run happens, which do not change what it is: they may differ when it is resumed."""

_FINISHED, _UNFINISHED, _AN_AGENT = "a finished run", "an unfinished run", "an agent"  # what a folder may hold
_WAYS = {_FINISHED: "--resume leaves it as it is, ", _UNFINISHED: "--resume goes on with it, ", _AN_AGENT: ""}


class RunFolder:
    """The folder of a run: its checkpoints, and what an earlier run left in it.

    Args:
        path: The folder.
        options: Options of the run.

    Raises:
        ValueError: The options ask to resume and to restart.
    """

    def __init__(self, path: Path, options: Fit) -> None:
        if options.resume and options.restart:
            raise ValueError("--resume, --restart: expected one of them, found both")
        self.path, self.options = path, options
        self.result = path / "result.json"
        self.checkpoints = CheckpointFolder(path / "checkpoints", options.keep_checkpoints)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other runs from writing to the folder; of several processes of one run, rank 0 does so.

        Raises:
            ValueError: Another run writes to it.
        """
        with ExitStack() as stack:
            run_on_rank0(lambda: stack.enter_context(sole_use("--out", self.path)))
            yield

    def is_finished(self) -> bool:
        """Returns whether the run that the options ask to resume has nothing left to do.

        Raises:
            ValueError: It is finished, but was run with other options; or its result cannot be read.
        """
        if not self.options.resume or not self.result.exists():
            return False
        check_same_options(self.result, read_result(self.result).get("options"), self.options)
        return True

    def unfinished(self) -> TrainingCheckpoint | None:
        """Returns the checkpoint to go on from, or None to begin anew.

        Raises:
            ValueError: There is a run or an agent, and the options neither resume nor restart it, or are others; or
                none of its checkpoints can be read.
        """
        held = self._held()
        if self.options.restart or not held:
            return None
        if not self.options.resume or held == _AN_AGENT:
            raise ValueError(
                f"--out: expected a folder without one, found {held} in {self.path}; {_WAYS[held]}--restart begins anew"
            )
        try:
            found = self.checkpoints.newest()
        except CheckpointError as error:
            raise ValueError(f"{error}; nothing is deleted, --restart begins anew") from error
        if found is not None:
            if not {"options", "seconds", "sweeps"} <= found.extra.keys():
                raise ValueError(f"{found.path}: expected a run of this command, found that of another program")
            check_same_options(found.path, found.extra["options"], self.options)
            check_number(f"{found.path}: seconds", found.extra["seconds"], 0)
            entries_of(found.path, found.extra, "sweeps")
        return found

    def _held(self) -> str:
        """Returns what the folder holds that a run would overwrite; empty if there is nothing."""
        if self.result.exists():
            return _FINISHED
        agents = any((self.path / name).exists() for name in ("model.zip", "best.zip"))
        if agents and not (self.path / "tensorboard").is_dir():  # which a run makes first
            return _AN_AGENT
        return _UNFINISHED if agents or self.checkpoints.files() else ""

    def tidy(self, anew: bool) -> None:
        """Deletes the temporary files of writers that were killed and, to begin anew, what an earlier run wrote."""
        for folder in (self.path, self.checkpoints.path):
            remove_temporaries(folder)
        if anew and self.path.is_dir():
            self.checkpoints.clear()
            for name in ("result.json", "best.zip"):
                (self.path / name).unlink(missing_ok=True)


def check_same_options(file: Path, stored: Any, options: Fit) -> None:
    """Refuses options other than those a run was begun with, except `PLACES`.

    Args:
        file: File of the stored options, for errors.
        stored: ``asdict`` of a `Fit` that went through JSON.
        options: The options given now.

    Raises:
        ValueError: Names the first option that differs; or there are no stored options.
    """
    _check_same(file, "options", stored, json.loads(json.dumps(asdict(options))))


def _check_same(file: Path, group: str, stored: Any, given: dict[str, Any]) -> None:
    """Does the same for the options of a group, and for the groups in it."""
    if not isinstance(stored, dict):
        raise ValueError(f"{file}: {group}: expected names with values, found {shortened(stored)}")
    for name, now in given.items():
        if name in PLACES or name not in stored or now == "auto":  # an option may be newer than the file
            continue
        if isinstance(now, dict):
            _check_same(file, name, stored[name], now)
        elif stored[name] != now:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option}: expected {shortened(stored[name])} as in {file}, found {shortened(now)}")


@contextmanager
def stopping(start: str, arguments: Sequence[str], *resuming: str) -> Iterator[None]:
    """Prints, if a signal stops a run within, the command that resumes it, and exits with the usual status: 143 or 130.

    Args:
        start: What starts the program, without its arguments.
        arguments: Arguments of the command.
        *resuming: Arguments that the command needs to resume; a study resumes by itself.
    """
    try:
        yield
    except Stopped as stopped:
        kept = [argument for argument in arguments if argument not in ("--restart", "--resume", "--no-resume")]
        if not rank():
            print(f"{stopped}; to go on: {start} {shlex.join([*kept, *resuming])}".rstrip(), file=sys.stderr)
        sys.exit(128 + stopped.signal)
