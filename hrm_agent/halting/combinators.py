"""Combinations of policies: ``any(...)``, ``all(...)``, ``min:2(...)``, ``max:6(...)``, ``abstain(a, b)``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import ClassVar

import torch
from torch import Tensor

from hrm_agent.halting.policy import HaltContext, HaltingPolicy, noise_of


class Combination(HaltingPolicy):
    """Base class: all inner policies decide at every segment, so that each keeps its own memory.

    Args:
        policies: The inner policies.

    Attributes:
        policies: The inner policies.
        default: Inner policies of a string form without parentheses; None if parentheses are required.
        leads: Number of first inner policies that may be of several views.
    """

    sweep: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[str | None] = None
    leads: ClassVar[int] = 0

    def __init__(self, policies: Sequence[HaltingPolicy]) -> None:
        if any(policy.views > 1 for policy in policies[self.leads :]):
            raise ValueError("a policy of many views has to stand outermost")
        self.policies = tuple(policies)
        self.needs = tuple(dict.fromkeys(name for policy in policies for name in policy.needs))

    def votes(self, context: HaltContext) -> Tensor:
        """Returns the decisions of each inner policy, ``(policies, B)`` bool."""
        decisions = [policy.decide(context) for policy in self.policies]
        return torch.stack(decisions) if decisions else context.segment.new_zeros(0, len(context.segment)).bool()

    def reset(self, mask: Tensor) -> None:
        """Forgets the rows that begin an episode."""
        for policy in self.policies:
            policy.reset(mask)

    def keep(self, rows: Tensor) -> None:
        """Keeps the memory of the given rows."""
        for policy in self.policies:
            policy.keep(rows)

    def abstains(self) -> Tensor | bool:
        """Returns which rows hand in nothing: those in which an inner policy abstains, ``(B,)`` bool."""
        found = [policy.abstains() for policy in self.policies]
        return reduce(or_, found, False)

    def inner(self) -> str:
        """Returns the descriptions of the inner policies, in parentheses."""
        return f"({', '.join(policy.describe() for policy in self.policies)})"


class AnyOf(Combination):
    """Halt where at least one inner policy would; without inner policies, never."""

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return self.votes(context).any(0)

    def describe(self) -> str:
        """Describes when it halts."""
        return f"any of {self.inner()}"


class AllOf(Combination):
    """Halt where all inner policies would in the same segment; without inner policies, always."""

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return self.votes(context).all(0)

    def describe(self) -> str:
        """Describes when it halts."""
        return f"all of {self.inner()}"


class Min(AnyOf):
    """Halt as the inner policy does, but not before segment m = M_min."""

    parameters = (int,)

    def __init__(self, segments: int, policies: Sequence[HaltingPolicy]) -> None:
        if segments < 1:
            raise ValueError(f"expected at least 1 segment, found {segments}")
        super().__init__(policies)
        self.segments = segments

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return super().decide(context) & (context.segment >= self.segments)

    def describe(self) -> str:
        """Describes when it halts."""
        return f"{self.inner()} and m ≥ {self.segments}"


class Max(Min):
    """Halt as the inner policy does, and at segment m = M at the latest."""

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        return self.votes(context).any(0) | (context.segment >= self.segments)

    def describe(self) -> str:
        """Describes when it halts."""
        return f"{self.inner()} or m = {self.segments}"


class Abstain(Combination):
    """Halt as the first policy does; hand in the answer where the second would halt now, else nothing.

    At the budget, where every episode ends, the second policy decides as well: selective prediction with a reject
    option (Chow 1970; Geifman and El-Yaniv, arXiv 1705.08500). In training the agent halts as the first policy says and
    hands in every answer.

    If the first policy is of several views, the second decides on each view at its halting segment, and its decision on
    the view that answers counts.

    Attributes:
        silent: Rows in which the second policy would not halt, ``(B,)`` bool.
    """

    leads = 1

    def __init__(self, policies: Sequence[HaltingPolicy]) -> None:
        if len(policies) != 2 or any(policy.abstains() is not False for policy in policies):
            found = ", ".join(type(policy).__name__ for policy in policies)
            raise ValueError(f"expected a policy that halts and one that trusts, neither abstaining, found {found}")
        super().__init__(policies)
        self.views = policies[0].views
        self.noise, self.segment_noise, self.random_start = noise_of(policies[0])
        self.silent = torch.zeros(0, dtype=torch.bool)

    @property
    def halted(self) -> Tensor | None:  # type: ignore[override]  # of the first policy
        """Views that have halted, ``(B,)`` bool; None if there is one view of each puzzle."""
        return self.policies[0].halted

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        halted = self.halted
        votes = self.votes(context)
        self.silent = ~votes[1] if halted is None else torch.where(halted, self.silent, ~votes[1])
        return votes[0]

    def elect(self) -> Tensor | int:
        """Returns the view that answers for each puzzle."""
        return self.policies[0].elect()

    def abstains(self) -> Tensor:
        """Returns which rows hand in nothing if they stop now, ``(B,)`` bool."""
        return self.silent

    def reset(self, mask: Tensor) -> None:
        """Forgets the rows that begin an episode."""
        super().reset(mask)
        if self.silent.shape != mask.shape:
            self.silent = torch.zeros_like(mask)

    def keep(self, rows: Tensor) -> None:
        """Keeps the memory of the given rows."""
        super().keep(rows)
        self.silent = self.silent[rows]

    def describe(self) -> str:
        """Describes when it halts and when it answers."""
        halts, trusts = (policy.describe() for policy in self.policies)
        return f"({halts}), with an answer only if ({trusts})"
