"""What one process of a run has of its own, and whether what a file says of it can be, before it is put back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hrm_agent.checkpoints.contents import check_finite, check_same
from hrm_agent.checkpoints.random_state import (
    check_numpy_generator,
    check_random_state,
    random_state,
    set_random_state,
)
from hrm_agent.checkpoints.saved_agent import entries_of, said_of
from hrm_agent.cores.core import Carry
from hrm_agent.errors import CheckpointError
from hrm_agent.state import State, check_generator, split_state
from hrm_env.checks import check_integer

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


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


def check_local(file: Path, model: HRM, state: State) -> None:
    """Refuses a state that `capture_local` would not make of this agent, in this environment.

    Args:
        file: The checkpoint, for errors.
        model: The agent, with its environment, which begins anew.
        state: The state.

    Raises:
        CheckpointError: A part is missing, of another kind, or holds numbers that cannot be; or it is the state of
            other puzzles or of another number of slots.
        ValueError: The environment is not the native one.
    """
    if model.stream.native is None:
        raise ValueError("checkpoint: expected an agent with the native environment of gym.make_vec(id)")
    native, slots = model.stream.native.native, model.n_envs
    parts = {name: entries_of(file, state, name) for name in ("carry", "environment", "sums", "random")}
    inputs, puzzles = parts["environment"].get("inputs"), native.rules.puzzles.digest()
    rows = len(inputs) if isinstance(inputs, Tensor) and inputs.dim() else 0
    if rows != slots or parts["environment"].get("puzzles") != puzzles:
        raise CheckpointError(f"{file}: expected the state of the same puzzles in as many slots, found another's")
    native.reset()  # the state is put back over it
    expected = {"carry": model.policy.core.initial_carry(slots)._asdict(), "environment": native.state_dict()}
    _check_tensors(file, {name: parts[name] for name in expected}, expected)
    check_finite(file, parts["carry"], "hidden states")
    with said_of(file):
        check_generator("environment: generator", parts["environment"]["generator"], native.device)
        check_numpy_generator("environment: np_random", parts["environment"].get("np_random"))
        check_random_state(parts["random"])
    _check_memories(file, state, slots)
    spec, logits = native.rules.task.spec, state["session"].get("_last_logits")
    if isinstance(logits, Tensor) and logits.shape != (slots, spec.seq_len, spec.vocab_size):
        raise CheckpointError(f"{file}: last logits: expected those of {slots} puzzles, found {tuple(logits.shape)}")
    _check_log(file, model, state)


def _check_tensors(file: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuses other tensors than those expected; what else stands beside them does not count."""
    check_same(file, split_state(found)[0], split_state(expected)[0], "state of this run")


def _check_memories(file: Path, state: State, slots: int) -> None:
    """Refuses what halting remembers of another number of slots; generators (bytes) and empty memories have none."""
    for part in ("session", "halting_loss"):
        memories = split_state({part: entries_of(file, state, part)})[0]
        begun = part == "halting_loss" and any(len(tensor) for tensor in memories.values() if tensor.dim())
        for name, tensor in memories.items():
            if tensor.dtype != torch.uint8 and tensor.shape[:1] != (slots,) and (begun or tensor.shape[:1] != (0,)):
                raise CheckpointError(f"{file}: {name!r}: expected {slots} rows, found shape {tuple(tensor.shape)}")


def _check_log(file: Path, model: HRM, state: State) -> None:
    """Refuses sums and episodes that no log has."""
    with said_of(file):
        check_integer("sums: steps", state["sums"].get("steps"), 0, 2**53)
    if not state.get("episodes"):  # as in files of before they were kept
        return
    found, expected = entries_of(file, state, "episodes"), model.training_log.episodes.state_dict()
    newest, most = found.get("newest"), model.training_log.episodes.newest.maxlen or 0
    if isinstance(newest, Tensor) and newest.dim() == 2 and len(newest) <= most:
        expected["newest"] = newest.new_zeros((len(newest), 2), dtype=torch.float64)
    _check_tensors(file, {"episodes": found}, {"episodes": expected})
    check_finite(file, {name: found[name] for name in expected}, "figures of episodes")


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
