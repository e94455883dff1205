"""What a halting policy is: it sees a segment's outcome and says, row by row, whether to stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hrm_agent.state import Stateful


@dataclass(frozen=True)
class HaltContext:
    """What a policy may look at, after segment m of each row.

    Attributes:
        segment: m, segments used including this one, ``(B,)`` int64.
        max_segments: The budget M_max; the environment ends an episode there whatever the policy says.
        signals: Those that the policy `needs`, by name, ``(B,)`` float32 each; ``context["kl"]`` is one.
    """

    segment: Tensor
    max_segments: int
    signals: Mapping[str, Tensor]

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
        parameters: Types of the parameters in the string form, in order.
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
