"""An agent, or its policy alone, as a checkpoint and back, in place of SB3's pickles.

The file of a policy is that of an agent with fewer options and no optimizers; `load_policy` reads both.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from hrm_agent.checkpoints.checkpoint import write_checkpoint
from hrm_agent.checkpoints.contents import OWN_OPTIONS, Checkpoint, check_core, path_of
from hrm_agent.checkpoints.names import checkpoint_path
from hrm_agent.checkpoints.optimizer_state import checked_state, optimizer_tensors, restore_optimizers
from hrm_agent.checkpoints.saved_agent import SavedAgent, core_of, entries_of, halting_of, identity_of, said_of
from hrm_agent.config import LearnerConfig
from hrm_agent.distributed import world_size
from hrm_agent.errors import NonFiniteError
from hrm_agent.halting import HaltingPolicy, make
from hrm_agent.learning.average import WeightAverage
from hrm_agent.puzzle_identity import PuzzleIdentity, puzzle_task
from hrm_env.checks import shortened
from hrm_env.envs.spaces import action_space, observation_space, sizes_of

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM
    from hrm_agent.sb3.policy import HRMPolicy


def save_agent(model: HRM, path: str | Path | BinaryIO) -> None:
    """Writes weights, averaged weights, optimizer state and options.

    Raises:
        NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
    """
    place = checkpoint_path(path) if isinstance(path, str | Path) else path
    write_checkpoint(place, *agent_contents(model, path_of(place)))


def agent_contents(model: HRM, path: str | Path) -> tuple[dict[str, Any], dict[str, dict[str, torch.Tensor]]]:
    """Returns what the file of an agent holds: its config, and its groups of tensors.

    Raises:
        NonFiniteError: A weight, or a number in the state of an optimizer, is not finite.
    """
    groups = {"policy": model.policy.state_dict(), "optimizer": optimizer_tensors(model.learner.optimizers)}
    for tensors in groups.values():
        check_to_write(path, tensors)
    config = {
        "puzzles": asdict(replace(model.puzzles, sizes=sizes_of(model.observation_space))),  # with the budget in use
        "policy_kwargs": model.policy_kwargs,
        "options": {
            "n_envs": model.n_envs * world_size(),
            **replace(model.config, halting=model.halting.name).by_name(),
        },
        "num_timesteps": model.num_timesteps,
        "updates": model._n_updates,
        "learning_rate_schedule": callable(model.learning_rate),
    }
    return config, groups


def check_to_write(path: str | Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuses to write what could not be read.

    Raises:
        NonFiniteError: A number is not finite.
    """
    bad = next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
    if bad is not None:
        raise NonFiniteError(f"{path}: not written, because {bad} is not finite; an older file stays as it was")


def load_agent(
    cls: type[HRM], path: str | Path | BinaryIO, env: Any, device: torch.device | str, overrides: dict[str, Any]
) -> HRM:
    """Builds the agent of a checkpoint; see `HRM.load`."""
    found = Checkpoint.read(path)
    file, config = found.path, found.config
    saved = SavedAgent.of(file, config, given=overrides)
    slots = {} if env is None or isinstance(env, str) else {"n_envs": None}  # such an environment has its own
    own = {**saved.config.by_name(), "n_envs": saved.n_envs}
    changed = overrides.get("policy_kwargs") or {}
    if not isinstance(changed, Mapping):
        raise ValueError(f"policy_kwargs: expected a dict of options by name, found {shortened(changed)}")
    options = {**own, **slots, **overrides, "policy_kwargs": {**saved.core, **changed}}
    whose = f"policy_kwargs {shortened(changed)}" if changed else OWN_OPTIONS
    core = check_core(file, found.weights, saved.puzzles.sizes, options["policy_kwargs"], whose)
    if "halting" not in overrides:
        halting_of(file, saved.config.halting, saved.puzzles.sizes.max_segments, core)
    model = cls(env=env, device=device, _init_setup_model=False, **options)
    if model.env is not None:
        saved.puzzles.require(model.env, f"{file}: made")
    model.build_for(saved.puzzles, options["n_envs"] or 1)
    restore_learned(model, found)
    model.num_timesteps, model._n_updates = saved.num_timesteps, saved.updates
    if config.get("learning_rate_schedule") and env is not None and "learning_rate" not in overrides:
        warnings.warn(
            f"{file}: saved with a learning rate schedule, a function that no file can hold; it goes on with the "
            "constant rate that the schedule began with, unless learning_rate=... is given",
            stacklevel=3,
        )
    return model


def restore_learned(model: HRM, found: Checkpoint) -> None:
    """Puts the weights and the optimizers' state of a checkpoint into an agent of the same options.

    Raises:
        CheckpointError: They are those of another agent.
    """
    weights = found.checked_weights(model.policy.state_dict(), OWN_OPTIONS)
    state = checked_state(found.path, found.tensors.get("optimizer"), model.learner.optimizers)
    model.policy.load_state_dict(weights)
    restore_optimizers(model.learner.optimizers, state)


def save_policy(policy: HRMPolicy, path: str | Path | BinaryIO) -> None:
    """Writes weights, averaged weights, the options of the core and the string form of the halting policy.

    Raises:
        NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
    """
    place = checkpoint_path(path) if isinstance(path, str | Path) else path
    weights = policy.state_dict()
    check_to_write(path_of(place), weights)
    task = None if policy.task is None else policy.task.spec.name
    config = {
        "puzzles": asdict(PuzzleIdentity(task, sizes_of(policy.observation_space))),
        "policy_kwargs": policy.core_options,
        "options": {
            "halting": policy.halting.name,
            "ema": None if policy.average is None else policy.average.decay,
        },
    }
    write_checkpoint(place, config, {"policy": weights})


def load_policy(
    cls: type[HRMPolicy], path: str | Path | BinaryIO, halting: str | HaltingPolicy | None = None
) -> HRMPolicy:
    """Builds the policy of a policy's or an agent's checkpoint, on the CPU; see `HRMPolicy.load`."""
    found = Checkpoint.read(path)
    file, config, weights = found.path, found.config, found.weights
    puzzles, core, options = identity_of(file, config), core_of(file, config), entries_of(file, config, "options")
    network = check_core(file, weights, puzzles.sizes, core)
    with said_of(file):
        decay = LearnerConfig(ema=options.get("ema")).ema
    rule = (
        halting_of(file, options.get("halting"), puzzles.sizes.max_segments, network)
        if halting is None
        else make(halting)
    )
    seq_len, vocab_size = puzzles.sizes.seq_len, puzzles.sizes.vocab_size
    policy = cls(observation_space(puzzles.sizes), action_space(seq_len, vocab_size), **core)
    if decay is not None:
        policy.average = WeightAverage(policy.core, decay)
    policy.load_state_dict(found.checked_weights(policy.state_dict(), OWN_OPTIONS))
    policy.halting, policy.task = rule, puzzle_task(None, puzzles.task)
    return policy
