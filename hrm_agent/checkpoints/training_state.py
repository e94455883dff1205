"""A run as a file and back: on a CPU it goes on, to the last bit, as if it had never stopped.

A training checkpoint is an agent's file (`HRM.load` reads it) with more in it:

    config.json            also "training": the length of the run, the state of its callbacks, the JSON of each rank
    rank0.safetensors      tensors of the parts (`run_parts.py`) of one process
    rank1.safetensors ...  of the other processes of a distributed run
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from hrm_agent.checkpoints.agent_file import agent_contents, restore_learned
from hrm_agent.checkpoints.checkpoint import write_checkpoint
from hrm_agent.checkpoints.contents import Checkpoint
from hrm_agent.checkpoints.run_parts import capture_parts, check_parts, restore_parts
from hrm_agent.checkpoints.saved_agent import entries_of, said_of
from hrm_agent.config.agent import MOST_STEPS
from hrm_agent.distributed import gather_objects, rank, world_size
from hrm_agent.errors import CheckpointError
from hrm_agent.state import join_state, split_state
from hrm_env.checks import check_flag, check_integer, shortened

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


class TrainingCheckpoint(Checkpoint):
    """The checkpoint of a run, as it was read."""

    @classmethod
    def read(cls, path: str | Path | BinaryIO) -> Self:
        """Reads what `save_training` wrote.

        Raises:
            CheckpointError: It is missing, damaged, or an agent's alone; or what it says of the run is impossible.
        """
        found = super().read(path)
        path, config = found.path, found.config
        if not isinstance(config.get("training"), dict):
            raise CheckpointError(f"{path}: expected the checkpoint of a run, found that of an agent alone")
        training = config["training"]
        with said_of(path):
            for name, place in (("num_timesteps", config), ("updates", config), ("total_timesteps", training)):
                check_integer(name, place.get(name), 0, MOST_STEPS)
            check_flag("compiled", training.get("compiled", False))  # older files hold none
        entries_of(path, training, "extra")
        ranks = training.get("ranks")
        if not isinstance(ranks, list) or not all(isinstance(own, dict) for own in ranks):
            raise CheckpointError(f"{path}: ranks: expected a list of states, found {shortened(ranks)}")
        missing = next((number for number in range(len(ranks)) if f"rank{number}" not in found.tensors), None)
        if missing is not None:
            raise CheckpointError(f"{path}: expected the tensors of {len(ranks)} processes, found no 'rank{missing}'")
        return found

    @property
    def extra(self) -> dict[str, Any]:
        """The extra values that `save_training` was given."""
        extra: dict[str, Any] = self.config["training"]["extra"]
        return extra


def save_training(model: HRM, path: str | Path, extra: Mapping[str, Any] | None = None) -> None:
    """Writes everything that a run needs to go on; in a distributed run every rank calls it, and rank 0 writes.

    Args:
        model: An agent that learns, between two of its steps.
        path: The file.
        extra: Further values to remember, as JSON can hold them.

    Raises:
        NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
        OSError: The file cannot be written; likewise.
        ValueError: The agent has not begun to learn, or its environment is not the native one.
    """
    ranks = gather_objects(split_state(capture_parts(model)))
    if rank():
        return
    config, tensors = agent_contents(model, path)
    tensors |= {f"rank{number}": named for number, (named, _) in enumerate(ranks)}
    config["training"] = {
        "total_timesteps": model._total_timesteps,
        "compiled": model.learner.compiled,
        "extra": dict(extra or {}),
        "ranks": [rest for _, rest in ranks],
    }
    write_checkpoint(path, config, tensors)


def restore_training(model: HRM, checkpoint: TrainingCheckpoint) -> int:
    """Puts an agent of the same options in the state in which a run was saved.

    ``model.learn(steps, reset_num_timesteps=False)`` then goes on. If the run had another number of processes, weights
    and optimizers are put back, and the episodes begin anew.

    Args:
        model: The agent, with its environment.
        checkpoint: The run.

    Returns:
        Timesteps left of the run.

    Raises:
        CheckpointError: The checkpoint is of another agent or other puzzles.
    """
    file, training = checkpoint.path, checkpoint.config["training"]
    restore_learned(model, checkpoint)
    model.num_timesteps, model._n_updates = checkpoint.config["num_timesteps"], checkpoint.config["updates"]
    model._compiles = training.get("compiled", False)
    ranks = training["ranks"]
    if len(ranks) == world_size():
        own = {path: tensor.to(model.device) for path, tensor in checkpoint.tensors[f"rank{rank()}"].items()}
        with said_of(file):
            state = join_state(own, ranks[rank()])
        check_parts(file, model, state)
        with said_of(file):
            restore_parts(model, state)
    elif not rank():
        processes = f"written by {len(ranks)} processes, now there are {world_size()}"
        found = processes if ranks else "without episodes"
        warnings.warn(f"{file}: {found}; the episodes begin anew", stacklevel=2)
    return int(training["total_timesteps"]) - model.num_timesteps
