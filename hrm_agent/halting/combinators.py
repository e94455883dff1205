"""Combinations of policies: ``any(...)``, ``all(...)``, ``min:2(...)``, ``max:6(...)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from hrm_agent.halting.policy import HaltContext, HaltingPolicy


class Combination(HaltingPolicy):
    """Base class: all inner policies decide at every segment, so that each keeps its own memory.

    Args:
        policies: The inner policies.

    Attributes:
        policies: The inner policies.
        default: Inner policies of a string form without parentheses; None if parentheses are required.
    """

    sweep: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[str | None] = None

    def __init__(self, policies: Sequence[HaltingPolicy]) -> None:
        if any(policy.views > 1 for policy in policies):
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
