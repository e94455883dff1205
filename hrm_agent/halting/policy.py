"""Interface of halting policies: a policy reads signals of a segment and decides, row by row, whether to stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from hrm_agent.state import Stateful


@dataclass(frozen=True)
class HaltContext:
    """What a policy may read after segment m of each row.

    Attributes:
        segment: Segments used m, including this one, ``(B,)`` int64.
        max_segments: Budget M_max; the environment ends an episode there whatever the policy decides.
        signals: The signals that the policy `needs`, by name, ``(B,)`` float32 each; ``context["kl"]`` reads one.
        episode: Number on which random draws depend in addition to the puzzle. In training it is the number of each
            row's episode, ``(B,)`` int64, so that a puzzle gets a new draw each time; elsewhere it is 0, so that
            figures can be repeated.
    """

    segment: Tensor
    max_segments: int
    signals: Mapping[str, Tensor]
    episode: Tensor | int = 0

    def __getitem__(self, name: str) -> Tensor:
        """Returns a signal by name, ``(B,)`` float32."""
        return self.signals[name]


class HaltingPolicy(Stateful, ABC):
    """Decides after every segment which rows stop.

    A policy with a memory keeps it for each row, in attributes that are tensors (see `Stateful`), and clears it in
    `reset`.

    Attributes:
        name: The string form, set by `make`.
        needs: Names of the `hrm_agent.halting.signals.SIGNALS` that the policy reads; no other signal is computed.
        views: Number of views K of each puzzle, which are adjacent rows and halt together.
        noise: Standard deviation of the noise on the start state of all views but the first.
        segment_noise: Standard deviation of the noise on the state that each of their later segments begins with.
        random_start: Standard deviation of a random start state in place of theirs; 0 for none.
        halted: Views that have halted and are not computed further, ``(B,)`` bool; None if K = 1.
        rule: The rule as a formula, in which ``{threshold}`` stands for the attribute of that name.
        parameters: Types of the parameters in the string form, in order; ``str``, which must be last, is a path.
        sweep: Parameters that a study tries, as in the string form.
    """

    name: str = ""
    needs: tuple[str, ...] = ()
    views: int = 1
    noise: float = 0.0
    segment_noise: float = 0.0
    random_start: float = 0.0
    halted: Tensor | None = None
    rule: ClassVar[str] = ""
    parameters: ClassVar[tuple[type, ...]] = ()
    sweep: ClassVar[tuple[str, ...]] = ("",)

    @abstractmethod
    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""

    def reset(self, mask: Tensor) -> None:
        """Clears the memory of the rows ``mask (B,)`` bool, whose episode begins; called before every segment."""

    def keep(self, rows: Tensor) -> None:
        """Keeps the memory of the given row indices alone; called when the batch shrinks to them."""

    def elect(self) -> Tensor | int:
        """Returns the view that answers for each puzzle."""
        return 0

    def abstains(self) -> Tensor | bool:
        """Returns which rows hand in nothing if they stop now, after the last decision: ``(B,)`` bool; False: none."""
        return False

    def describe(self) -> str:
        """Describes when it halts, in one line."""
        return self.rule.format(**vars(self)) or self.name


def noise_of(policy: Any) -> tuple[float, float, float]:
    """Returns noise, segment noise and random start of a policy, or of the header of a recording."""
    return policy.noise, policy.segment_noise, policy.random_start


def begin(policy: HaltingPolicy, mask: Tensor) -> None:
    """Calls `reset` with the rows ``mask (B,)`` that begin a new episode.

    Raises:
        ValueError: The policy remembers another number of rows.
    """
    with _following(policy, len(mask)):
        policy.reset(mask)


def decision(policy: HaltingPolicy, context: HaltContext) -> Tensor:
    """Returns the decisions of a policy, ``(B,)`` bool.

    Raises:
        ValueError: The policy remembers another number of rows, or returns anything else.
    """
    rows = len(context.segment)
    with _following(policy, rows):
        halt = policy.decide(context)
    if halt.shape != (rows,) or halt.dtype != torch.bool:
        found = f"{str(halt.dtype).removeprefix('torch.')} {tuple(halt.shape)}"
        raise ValueError(f"halting policy {type(policy).__name__}: expected decisions bool ({rows},), found {found}")
    return halt


@contextmanager
def _following(policy: HaltingPolicy, rows: int) -> Iterator[None]:
    """Raises a clear error if shapes do not fit because the policy remembers another number of rows than ``rows``."""
    try:
        yield
    except (RuntimeError, IndexError) as error:  # this is how torch says that shapes do not fit
        forgotten = next((memory for memory in _memories(policy) if len(memory[2]) != rows), None)
        if forgotten is None:
            raise
        owner, name, memory = forgotten
        raise ValueError(
            f"halting policy {type(owner).__name__}: expected {rows} rows of memory in {name!r}, found {len(memory)}; "
            "reset(mask) has to begin it for new rows, and keep(rows) to leave out those that are done"
        ) from error


def _memories(policy: Stateful) -> Iterator[tuple[Stateful, str, Tensor]]:
    """Yields the tensors that a policy and its inner policies remember, each with its owner and name."""
    for name, value in vars(policy).items():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Stateful):
                yield from _memories(part)
            elif isinstance(part, Tensor) and part.ndim:
                yield policy, name, part
