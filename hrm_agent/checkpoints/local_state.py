"""What one process of a run has of its own, and whether what a file says of it can be, before it is put back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hrm_agent.checkpoints.contents import check_finite, check_same, kind_of
from hrm_agent.checkpoints.random_state import (
    check_numpy_generator,
    check_random_state,
    random_state,
    set_random_state,
)
from hrm_agent.checkpoints.saved_agent import entries_of, said_of
from hrm_agent.cores.core import Carry
from hrm_agent.errors import CheckpointError
from hrm_agent.state import State, Stateful, check_generator, leaves
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
        **model.learner.state_dict(),
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
    model.stream.begin(model.stream.native.reset())  # the state is put back over it
    expected = {"carry": model.policy.core.initial_carry(slots)._asdict(), "environment": native.state_dict()}
    found = {name: parts[name] for name in expected}
    check_same(file, dict(leaves(found)), dict(leaves(expected)), "state of this run")
    check_finite(file, parts["carry"], "hidden states")
    with said_of(file):
        check_generator("environment: generator", parts["environment"]["generator"], native.device)
        check_numpy_generator("environment: np_random", parts["environment"].get("np_random"))
        check_random_state(parts["random"])
    _check_memories(file, model, {name: entries_of(file, state, name) for name in ("session", "halting_loss")})
    _check_log(file, model, state)


def _check_memories(file: Path, model: HRM, found: State) -> None:
    """Refuses what halting does not remember before its first segment, or after it.

    What a halting policy of the user's own remembers may come later, and grow: of that only the rows are checked.
    """
    learner, slots = model.learner, model.n_envs
    before = dict(leaves(learner.state_dict()))
    learner.rehearse(model.policy.core.initial_carry(slots), *model.stream.current())
    after = dict(leaves(learner.state_dict()))
    known, own = dict(leaves(found)), {}
    if not _is_ours(learner.session.policy):
        own = {path: known.pop(path) for path in list(known) if path.startswith("session/policy/")}
    like = {path: before if kind_of(before.get(path)) == kind_of(value) else after for path, value in known.items()}
    check_same(file, known, {path: memory.get(path) for path, memory in like.items()}, "state of this run")
    for path, value in own.items():
        of_rows = isinstance(value, Tensor) and value.dtype != torch.uint8  # generators are bytes
        if of_rows and value.shape[:1] not in ((0,), (slots,)):
            raise CheckpointError(f"{file}: {path!r}: expected {slots} rows, found shape {tuple(value.shape)}")


def _is_ours(memory: Stateful) -> bool:
    """Whether a policy, and those that it is made of, are of this package."""
    parts = [part for value in vars(memory).values() for part in (value if isinstance(value, tuple) else (value,))]
    ours = type(memory).__module__.startswith("hrm_agent.")
    return ours and all(_is_ours(part) for part in parts if isinstance(part, Stateful))


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
    check_same(file, found, expected, "state of this run")
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
