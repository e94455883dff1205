"""What a halting policy is: it sees a segment's outcome and says, row by row, whether to stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hrm_agent.state import Stateful


@dataclass(frozen=True)
class HaltContext:
    """What a policy may look at, after segment m of each row.

    Attributes:
        segment: m, segments used including this one, ``(B,)`` int64.
        max_segments: The budget M_max; the environment ends an episode there whatever the policy says.
        signals: Those that the policy `needs`, by name, ``(B,)`` float32 each; ``context["kl"]`` is one.
        episode: What random draws depend on beside the puzzle: in training a number of each row's episode, ``(B,)``
            int64, so that a puzzle is drawn for anew each time; else 0, so that figures can be repeated.
    """

    segment: Tensor
    max_segments: int
    signals: Mapping[str, Tensor]
    episode: Tensor | int = 0

    def __getitem__(self, name: str) -> Tensor:
        """A signal."""
        return self.signals[name]


class HaltingPolicy(Stateful, ABC):
    """Decides after every segment which rows stop.

    A policy with memory keeps it per row, in attributes that are tensors (see `Stateful`), and forgets it in `reset`.
    `make` writes a policy's string form into `name`.

    Attributes:
        name: The string form.
        needs: Names of `hrm_agent.halting.signals.SIGNALS`; nothing else is computed.
        views: Rows that think about one puzzle; they stand beside one another and halt together.
        noise: Standard deviation of the noise on the start state of all views but the first.
        halted: Views that have halted and need not think on, ``(B,)`` bool; None where each puzzle has one view.
        rule: When it halts, as a formula; ``{threshold}`` stands for the attribute of that name.
        parameters: Types of the parameters in the string form, in order; ``str``, last, is the path of a file.
        sweep: Parameters that a study tries, as in the string form.
    """

    name: str = ""
    needs: tuple[str, ...] = ()
    views: int = 1
    noise: float = 0.0
    halted: Tensor | None = None
    rule: ClassVar[str] = ""
    parameters: ClassVar[tuple[type, ...]] = ()
    sweep: ClassVar[tuple[str, ...]] = ("",)

    @abstractmethod
    def decide(self, context: HaltContext) -> Tensor:
        """Which rows halt now, ``(B,)`` bool."""

    def reset(self, mask: Tensor) -> None:
        """Called before a segment with the rows ``mask (B,)`` that begin a new episode."""

    def keep(self, rows: Tensor) -> None:
        """Called when the batch shrinks to the given row indices. Policies with memory keep those rows."""

    def elect(self) -> Tensor | int:
        """The view that answers for each puzzle."""
        return 0

    def describe(self) -> str:
        """When it halts, in a line for tables."""
        return self.rule.format(**vars(self)) or self.name


def begin(policy: HaltingPolicy, mask: Tensor) -> None:
    """Calls `reset` with the rows ``mask (B,)`` that begin a new episode.

    Raises:
        ValueError: The policy remembers another number of rows.
    """
    with _following(policy, len(mask)):
        policy.reset(mask)


def decision(policy: HaltingPolicy, context: HaltContext) -> Tensor:
    """What a policy decides, ``(B,)`` bool.

    Raises:
        ValueError: The policy remembers another number of rows, or decides something else.
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
    """Says so where shapes do not fit because a policy has not followed its batch of ``rows`` rows."""
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
    """The tensors that a policy and the policies in it remember, each with its owner and name."""
    for name, value in vars(policy).items():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Stateful):
                yield from _memories(part)
            elif isinstance(part, Tensor) and part.ndim:
                yield policy, name, part
