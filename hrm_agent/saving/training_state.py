"""A run as a file, and back: to the last bit on a CPU, as if it had never stopped.

A training checkpoint is an agent's file (`HRM.load` reads it) with more in it:

    config.json            also "training": the length of the run, what its callbacks remember, each rank's JSON
    rank0.safetensors      what one process has of its own: hidden state, puzzles, generators, memories, sums
    rank1.safetensors ...  of the other processes of a distributed run
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hrm_agent.cores.core import Carry
from hrm_agent.distributed import gather_objects, rank, world_size
from hrm_agent.saving.agent_file import agent_contents, restore_learned
from hrm_agent.saving.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from hrm_agent.saving.contents import check_same
from hrm_agent.saving.random_state import random_state, set_random_state
from hrm_agent.state import State, join_state, split_state

if TYPE_CHECKING:
    from hrm_agent.agent import HRM


@dataclass(frozen=True)
class TrainingCheckpoint:
    """What a training checkpoint holds.

    Attributes:
        path: The file.
        config: Its JSON.
        tensors: Its groups of tensors.
    """

    path: Path
    config: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]

    @classmethod
    def read(cls, path: str | Path) -> TrainingCheckpoint:
        """Reads a file that `save_training` wrote.

        Raises:
            CheckpointError: It is missing, damaged, or an agent's alone.
        """
        config, tensors = read_checkpoint(path)
        if not isinstance(config.get("training"), dict):
            raise CheckpointError(f"{path}: expected the checkpoint of a run, found that of an agent alone")
        return cls(Path(path), config, tensors)

    @property
    def extra(self) -> dict[str, Any]:
        """What `save_training` was given beside the agent."""
        extra: dict[str, Any] = self.config["training"]["extra"]
        return extra


def save_training(model: HRM, path: str | Path, extra: Mapping[str, Any] | None = None) -> None:
    """Writes all that a run needs to go on; in a distributed run every rank calls it, and rank 0 writes.

    Args:
        model: An agent that learns, between two of its steps.
        path: The file.
        extra: What else to remember, as JSON can hold it.

    Raises:
        NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
        OSError: The file cannot be written; likewise.
        ValueError: The agent has not begun to learn, or its environment is not the native one.
    """
    ranks = gather_objects(split_state(capture_local(model)))
    if rank():
        return
    config, tensors = agent_contents(model, path)
    tensors |= {f"rank{number}": named for number, (named, _) in enumerate(ranks)}
    config["training"] = {
        "total_timesteps": model._total_timesteps,
        "extra": dict(extra or {}),
        "ranks": [rest for _, rest in ranks],
    }
    write_checkpoint(path, config, tensors)


def restore_training(model: HRM, checkpoint: TrainingCheckpoint) -> int:
    """Puts an agent of the same options to where a run was saved.

    ``model.learn(steps, reset_num_timesteps=False)`` then goes on with it. Where the run had another number of
    processes, weights and optimizers are put back and the episodes begin anew.

    Args:
        model: The agent, with its environment.
        checkpoint: The run.

    Returns:
        Timesteps that are left of the run.

    Raises:
        CheckpointError: The checkpoint is of another agent or other puzzles.
    """
    file, training = checkpoint.path, checkpoint.config["training"]
    restore_learned(model, file, checkpoint.tensors)
    try:
        model.num_timesteps, model._n_updates = (int(checkpoint.config[name]) for name in ("num_timesteps", "updates"))
        ranks, left = training["ranks"], int(training["total_timesteps"]) - model.num_timesteps
        if len(ranks) == world_size():
            own = {path: tensor.to(model.device) for path, tensor in checkpoint.tensors[f"rank{rank()}"].items()}
            _check_slots(model, file, own)
            restore_local(model, join_state(own, ranks[rank()]))
        elif not rank():
            processes = f"written by {len(ranks)} processes, now there are {world_size()}"
            found = processes if ranks else "without episodes"
            warnings.warn(f"{file}: {found}; the episodes begin anew", stacklevel=2)
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{file}: expected the state of this run, found another's ({error})") from error
    return left


def _check_slots(model: HRM, file: Path, own: Mapping[str, Tensor]) -> None:
    """Refuses hidden states and puzzles of other shapes than this agent's and its environment's."""
    native = model.stream.native
    if native is None or len(own["environment/inputs"]) != model.n_envs:
        return  # of which the environment itself will speak
    native.native.reset()  # the state is put back over it
    state = {
        "carry": model.policy.core.initial_carry(model.n_envs)._asdict(),
        "environment": native.native.state_dict(),
    }
    expected, _ = split_state(state)
    places = tuple(f"{place}/" for place in state)
    check_same(file, {name: own[name] for name in own if name.startswith(places)}, expected, "state of this run")
    _check_memories(file, own, model.n_envs)


def _check_memories(file: Path, own: Mapping[str, Tensor], slots: int) -> None:
    """Refuses what halting remembers of another number of slots; generators (bytes) and empty memories have none."""
    for name, tensor in own.items():
        of_slots = name.startswith(("session/", "halting_loss/")) and tensor.dtype != torch.uint8
        if of_slots and tensor.shape[:1] not in ((0,), (slots,)):
            raise CheckpointError(f"{file}: {name!r}: expected {slots} rows, found shape {tuple(tensor.shape)}")


def capture_local(model: HRM) -> State:
    """What this process has of its own, not copied.

    Raises:
        ValueError: The agent has not begun to learn, or its environment is not the native one.
    """
    if model._last_obs is None or model.stream.native is None:
        raise ValueError("checkpoint: expected an agent that learns in the native environment of gym.make_vec(id)")
    return {
        "carry": model._carry._asdict(),
        "environment": model.stream.native.native.state_dict(),
        "session": model.learner.session.state_dict(),
        "halting_loss": model.learner.halting_loss.state_dict(),
        "sums": model.training_log.sums.state_dict(),
        "episodes": model.training_log.episodes.state_dict(),
        "random": random_state(),
    }


def restore_local(model: HRM, state: State) -> None:
    """Puts back what `capture_local` took, its tensors on the agent's device.

    Raises:
        ValueError: It is the state of another kind of agent or of other puzzles.
    """
    if model.stream.native is None:
        raise ValueError("checkpoint: expected an agent with the native environment of gym.make_vec(id)")
    model._carry = Carry(**state["carry"])
    model._last_obs = model.stream.native.load_state_dict(state["environment"])  # type: ignore[assignment]
    model.stream.begin(model._last_obs)  # type: ignore[arg-type]
    model.learner.session.load_state_dict(state["session"])
    model.learner.halting_loss.load_state_dict(state["halting_loss"])
    model.training_log.sums.load_state_dict(state["sums"])
    if state.get("episodes"):  # none in files of before they were kept
        model.training_log.episodes.load_state_dict(state["episodes"])
    set_random_state(state["random"])
