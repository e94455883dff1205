"""A run as a dict of parts, each of which captures, checks and restores its own state; `parts_of` names them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor

from hrm_agent.checkpoints.saved_agent import entries_of, said_of
from hrm_agent.checkpoints.shared_generators import SharedGenerators, check_numpy_generator
from hrm_agent.cores.carry import carry_parts, with_parts
from hrm_agent.state import Rehearsal, State, Stateful, check_finite, check_generator

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


def parts_of(model: HRM) -> dict[str, Stateful]:
    """Returns everything that one process of a run remembers beside weights, optimizers and counters.

    The names are those of the file. The environment stands first, so that other puzzles are refused as such.

    Raises:
        ValueError: The environment is not the native one.
    """
    return {
        "environment": _Environment(model),
        "carry": _Carry(model),
        **_numbered("session", model.learner.sessions),
        **_numbered("halting_loss", model.learner.halting_losses),
        "sums": model.training_log.sums,
        "episodes": model.training_log.episodes,
        "random": SharedGenerators(),
    }


def capture_parts(model: HRM) -> State:
    """Returns the state of every part, not copied.

    Raises:
        ValueError: The agent has not begun to learn, or its environment is not the native one.
    """
    parts = parts_of(model)
    if model._last_obs is None:
        raise ValueError(
            "checkpoint: expected an agent that learns in the native environment, found one before learn()"
        )
    return {name: part.state_dict() for name, part in parts.items()}


def check_parts(file: Path, model: HRM, state: State) -> None:
    """Refuses a state that `capture_parts` would not return for this agent in this environment.

    The agent begins anew and takes one segment without learning, so that every part has an example to compare with.

    Args:
        file: The checkpoint, for errors.
        model: The agent, with its environment.
        state: The state.

    Raises:
        CheckpointError: A part is missing, of another kind, or holds impossible numbers; or it is the state of other
            puzzles or of another number of slots.
        ValueError: The environment is not the native one.
    """
    parts = parts_of(model)
    model.stream.begin(model.stream.env.reset())
    model._carry = model.policy.core.initial_carry(model.n_envs)
    before = {name: part.state_dict() for name, part in parts.items()}
    for number, minibatch in enumerate(model.minibatches()):
        model.learner.rehearse(*minibatch, number)
    after = {name: part.state_dict() for name, part in parts.items()}
    for name, part in parts.items():
        found = entries_of(file, {name: {}, **state}, name)
        with said_of(file):
            rows = model.n_envs if name in ("environment", "carry") else model.minibatch_size
            part.check_state(name, found, Rehearsal(before[name], after[name], rows))


def restore_parts(model: HRM, state: State) -> None:
    """Puts back the states of parts that `capture_parts` returned, their tensors on the agent's device.

    A part without a state stays as it is.

    Raises:
        ValueError: It is the state of another kind of agent or of other puzzles.
    """
    for name, part in parts_of(model).items():
        if state.get(name):
            part.load_state_dict(state[name])


def _numbered(name: str, parts: Sequence[Stateful]) -> dict[str, Stateful]:
    """Returns the parts that minibatches have of their own: that of the first has no number."""
    return {f"{name}-{number}" if number else name: part for number, part in enumerate(parts)}


class _Environment(Stateful):
    """The puzzles in the slots, and the generators of the environment."""

    def __init__(self, model: HRM) -> None:
        if model.stream.native is None:
            raise ValueError("checkpoint: expected an agent that learns in the native environment of gym.make_vec(id)")
        self.model, self.env = model, model.stream.native

    def state_dict(self) -> State:
        return self.env.native.state_dict()

    def check_state(self, name: str, state: State, rehearsal: Rehearsal) -> None:
        inputs = state.get("inputs")
        slots = len(inputs) if isinstance(inputs, Tensor) and inputs.dim() else 0
        if slots != rehearsal.rows or state.get("puzzles") != rehearsal.before["puzzles"]:
            raise ValueError("expected the state of the same puzzles in as many slots, found another's")
        super().check_state(name, state, rehearsal)
        check_generator(f"{name}: generator", state["generator"], self.env.native.device)
        check_numpy_generator(f"{name}: np_random", state.get("np_random"))

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        observation = self.env.load_state_dict(state)
        self.model._last_obs = observation  # type: ignore[assignment]  # SB3's type lacks dicts
        self.model.stream.begin(observation)
        return self


class _Carry(Stateful):
    """The hidden state of every slot."""

    def __init__(self, model: HRM) -> None:
        self.model = model

    def state_dict(self) -> State:
        return carry_parts(self.model._carry)

    def check_state(self, name: str, state: State, rehearsal: Rehearsal) -> None:
        super().check_state(name, state, rehearsal)
        check_finite(state, "hidden states")

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        self.model._carry = with_parts(self.model._carry, state)
        return self
