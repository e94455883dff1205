"""An agent as a checkpoint and back, in place of SB3's pickles."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from hrm_agent.puzzle_identity import PuzzleIdentity
from hrm_agent.saving.checkpoint import (
    CheckpointError,
    checkpoint_path,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizers,
    write_checkpoint,
)
from hrm_agent.saving.contents import (
    check_core,
    check_finite,
    check_options,
    check_same,
    check_sizes,
    check_work,
)
from hrm_agent.saving.small_files import full_precision
from hrm_env.observations import ObservationSizes, sizes_of

if TYPE_CHECKING:
    from hrm_agent.agent import HRM
    from hrm_agent.policy import HRMPolicy


class NonFiniteError(RuntimeError):
    """The loss or a weight is no longer a finite number."""


def located(path: str | Path | BinaryIO) -> tuple[Path | BinaryIO, Path]:
    """What to open for a checkpoint, a file or a buffer, and the name that errors give it."""
    if not isinstance(path, str | Path):
        return path, Path(f"<{type(path).__name__}>")
    file = checkpoint_path(path)
    return file, file


def save_agent(model: HRM, path: str | Path | BinaryIO) -> None:
    """Writes weights, averaged weights, optimizer state and options.

    Raises:
        NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
    """
    place, name = located(path)
    write_checkpoint(place, *agent_contents(model, name))


def agent_contents(model: HRM, path: str | Path) -> tuple[dict[str, Any], dict[str, dict[str, torch.Tensor]]]:
    """What the file of an agent holds: its config, and its groups of tensors.

    Raises:
        NonFiniteError: A weight is not finite.
    """
    weights = finite_weights(path, model.policy)
    config = {
        "puzzles": asdict(replace(model.puzzles, sizes=sizes_of(model.observation_space))),  # with the budget in use
        "policy_kwargs": model.policy_kwargs,
        "options": {
            "n_envs": model.batch_size,
            "warmup_steps": model.warmup_steps,
            "lr_min_ratio": model.lr_min_ratio,
            "halting": model.halting.name,
            "exploration": model.exploration,
            "exploration_per": model.exploration_per,
            "seed": model.seed,
            **asdict(model.learner_config),
        },
        "num_timesteps": model.num_timesteps,
        "updates": model._n_updates,
        "learning_rate_schedule": callable(model.learning_rate),
    }
    return config, {"policy": weights, "optimizer": optimizer_tensors(model.learner.optimizers)}


def finite_weights(path: str | Path, policy: HRMPolicy) -> dict[str, torch.Tensor]:
    """The policy's state dict, to be written.

    Raises:
        NonFiniteError: A weight is not finite.
    """
    weights: dict[str, torch.Tensor] = policy.state_dict()
    bad = next((name for name, tensor in weights.items() if not torch.isfinite(tensor).all()), None)
    if bad is not None:
        raise NonFiniteError(f"{path}: not written, because {bad} is not finite; an older file stays as it was")
    return weights


def read_weights(path: str | Path | BinaryIO, expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The policy's state dict of a checkpoint.

    Args:
        path: The checkpoint.
        expected: A state dict of the same names and shapes.

    Raises:
        CheckpointError: The file is damaged, or its weights are others or not finite.
    """
    place, file = located(path)
    weights = full_precision(read_checkpoint(place)[1].get("policy", {}))
    check_same(file, weights, expected, "weights of this agent")
    check_finite(file, weights)
    return weights


def load_agent(
    cls: type[HRM], path: str | Path | BinaryIO, env: Any, device: torch.device | str, overrides: dict[str, Any]
) -> HRM:
    """Builds the agent of a checkpoint; see `HRM.load`."""
    place, file = located(path)
    config, tensors = read_checkpoint(place)
    tensors["policy"] = full_precision(tensors.get("policy", {}))
    puzzles = identity_of(file, config)
    try:
        options = {**config["options"], "policy_kwargs": config["policy_kwargs"]}
        slots = {} if env is None or isinstance(env, str) else {"n_envs": None}  # such an environment has its own
        options |= {"betas": tuple(options["betas"]), **slots, **overrides}
        progress = int(config["num_timesteps"]), int(config["updates"])
        weights = tensors["policy"]
        check_options(file, config["options"])
        check_core(file, weights, puzzles.sizes, options["policy_kwargs"] or {})
        model = _build(cls, env, device, options, puzzles, file)
        if "halting" not in overrides:
            check_work(file, "views", model.halting.views)
    except ValueError as error:
        if overrides or isinstance(error, CheckpointError):
            raise
        raise _others(file, "options of an HRM agent", error) from error
    except (KeyError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError) as error:
        raise _others(file, "options of an HRM agent", error) from error
    restore_learned(model, file, tensors)
    model.num_timesteps, model._n_updates = progress
    if config.get("learning_rate_schedule") and env is not None and "learning_rate" not in overrides:
        warnings.warn(
            f"{file}: saved with a learning rate schedule, a function that no file can hold; it goes on with the "
            "constant rate that the schedule began with, unless learning_rate=... is given",
            stacklevel=3,
        )
    return model


def restore_learned(model: HRM, file: Path, tensors: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
    """Puts the weights and the optimizers' state of a checkpoint into an agent of the same options.

    Raises:
        CheckpointError: They are those of another agent.
    """
    weights = dict(tensors.get("policy", {}))
    try:
        check_same(file, weights, model.policy.state_dict(), "weights of its own options")
        check_finite(file, weights)
        model.policy.load_state_dict(weights)
        restore_optimizers(model.learner.optimizers, tensors["optimizer"])
    except CheckpointError:
        raise
    except (KeyError, RuntimeError, ValueError) as error:
        raise _others(file, "weights of its own options", error) from error


def _build(
    cls: type[HRM], env: Any, device: torch.device | str, options: dict[str, Any], puzzles: PuzzleIdentity, file: Path
) -> HRM:
    """The agent of these options, its weights at random."""
    if not options.get("halting"):
        raise CheckpointError(f"{file}: saved with a halting policy of your own; expected halting=... to load it")
    model = cls(env=env, device=device, _init_setup_model=False, **options)
    if model.env is not None:
        puzzles.require(model.env, f"{file}: made")
    model.adopt(puzzles, options["n_envs"] or 1)
    return model


def _others(file: Path, what: str, error: Exception) -> CheckpointError:
    problem = textwrap.shorten(f"{type(error).__name__}: {error}", 200)
    return CheckpointError(f"{file}: expected the {what}, found others ({problem})")


def identity_of(file: Path, config: Mapping[str, Any]) -> PuzzleIdentity:
    """Which puzzles the agent of a checkpoint is made for.

    Raises:
        CheckpointError: The config does not say.
    """
    try:
        task, sizes = config["puzzles"]["task"], ObservationSizes(**config["puzzles"]["sizes"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{file}: expected the sizes of the agent's puzzles, found none ({error!r})") from error
    check_sizes(file, sizes)
    return PuzzleIdentity(task, sizes)
