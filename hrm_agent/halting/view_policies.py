"""Policies of several views: K views of a puzzle are computed side by side, and one of them answers for all."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from hrm_agent.halting.combinators import AnyOf
from hrm_agent.halting.policy import HaltContext, HaltingPolicy


class ViewPolicy(AnyOf):
    """Base class. Row ``b·K + k`` of a batch is view k of puzzle b; the rows of a puzzle halt together.

    A view halts where one of the inner policies would halt it, and keeps its merit from then on. A subclass defines
    when enough views have halted and which of them answers.

    Args:
        views: Number of views K.
        noise: Standard deviation of the noise on the start state of views 1 to K − 1; see `Views`.
        segment_noise: Standard deviation of the noise on the state that each of their later segments begins with.
        random_start: Standard deviation of a random start state in place of theirs; 0 for none.
        policies: Inner policies, which halt a view; without any, each view uses the whole budget.

    Attributes:
        merit_signal: The signal by which views are compared.
        halted: Views that have halted by choice, ``(B·K,)`` bool.
        merits: Merit of each view, at its halting segment or else now, ``(B·K,)``.
    """

    parameters = (int, float, float, float)
    sweep = ("2", "4", "8")
    merit_signal: ClassVar[str] = "q_halt"

    def __init__(
        self,
        views: int,
        noise: float = 0.0,
        segment_noise: float = 0.0,
        random_start: float = 0.0,
        *,
        policies: Sequence[HaltingPolicy],
    ) -> None:
        if views < 1:
            raise ValueError(f"expected at least 1 view, found {views}")
        for name, deviation in (("noise", noise), ("segment_noise", segment_noise), ("random_start", random_start)):
            if not 0 <= deviation < math.inf:
                raise ValueError(f"expected {name} of 0 or more, found {deviation}")
        if any(policy.abstains() is not False for policy in policies):
            raise ValueError("a policy that abstains has to stand outside a policy of several views")
        super().__init__(policies)
        self.needs = tuple(dict.fromkeys((self.merit_signal, *self.needs)))
        self.views, self.noise, self.segment_noise, self.random_start = views, noise, segment_noise, random_start
        self.merits = torch.empty(0)

    def merit(self, context: HaltContext) -> Tensor:
        """Returns the merit of each view now, ``(B·K,)``: the view with the highest is the best."""
        return context[self.merit_signal]

    @abstractmethod
    def enough(self, halted: Tensor) -> Tensor:
        """Returns which puzzles halt, ``(B,)`` bool, given the views that have halted, ``(B, K)`` bool."""

    @abstractmethod
    def best(self, halted: Tensor, merits: Tensor) -> Tensor:
        """Returns the view that answers for each puzzle, ``(B,)`` int64.

        Args:
            halted: Views that have halted by choice, ``(B, K)`` bool.
            merits: Merit of each view, at its halting segment or else now, ``(B, K)``.
        """

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B·K,)`` bool."""
        assert self.halted is not None
        self.merits = torch.where(self.halted, self.merits, self.merit(context))
        self.halted = self.halted | super().decide(context)
        return self.enough(self._by_puzzle(self.halted)).repeat_interleave(self.views)

    def elect(self) -> Tensor:
        """Returns the view that answers for each puzzle, after the last decision: ``(B,)`` int64."""
        assert self.halted is not None
        return self.best(self._by_puzzle(self.halted), self._by_puzzle(self.merits))

    def reset(self, mask: Tensor) -> None:
        """Forgets the rows that begin an episode."""
        super().reset(mask)
        if self.halted is None or self.halted.shape != mask.shape:
            self.halted, self.merits = torch.zeros_like(mask), torch.zeros_like(mask, dtype=torch.float32)
        self.halted = self.halted & ~mask

    def keep(self, rows: Tensor) -> None:
        """Keeps the memory of the given rows."""
        super().keep(rows)
        assert self.halted is not None
        self.halted, self.merits = self.halted[rows], self.merits[rows]

    def describe(self) -> str:
        """Describes when it halts and which view answers."""
        words = {"noise": self.noise, "noise in every segment": self.segment_noise, "random start": self.random_start}
        noise = " and ".join(f"{name} {deviation:g}" for name, deviation in words.items() if deviation)
        until = self.inner() if self.policies else "(m = M)"
        return f"{self.rule.format(**vars(self))}{' with ' * bool(noise)}{noise}, each until {until}"

    def _by_puzzle(self, values: Tensor) -> Tensor:
        return values.view(-1, self.views)


class HaltFirst(ViewPolicy):
    """The first of K views to halt answers for all (Speed is Confidence, arXiv 2601.19085).

    If several views halt in the same segment, the one with the highest Q_halt answers; if none halts within the budget,
    the one with the highest Q_halt of all.
    """

    rule = "the first of {views} views"
    default = "q-threshold:0.5"

    def enough(self, halted: Tensor) -> Tensor:
        """Returns the puzzles of which any view has halted, ``(B,)`` bool."""
        return halted.any(1)

    def best(self, halted: Tensor, merits: Tensor) -> Tensor:
        """Returns the halted view with the highest Q_halt, or that of all views if none has halted: ``(B,)`` int64."""
        candidates = halted | ~halted.any(1, keepdim=True)
        return merits.masked_fill(~candidates, -math.inf).argmax(1)


class BestQ(ViewPolicy):
    """All K views halt on their own; the one with the highest Q_halt at its halting segment answers (arXiv 2605.19943).

    Without inner policies every view uses the whole budget, as in PTRM.
    """

    rule = "the highest Q_halt of {views} views"
    default = ""

    def enough(self, halted: Tensor) -> Tensor:
        """Returns the puzzles of which all views have halted, ``(B,)`` bool."""
        return halted.all(1)

    def best(self, halted: Tensor, merits: Tensor) -> Tensor:
        """Returns the view with the highest merit, ``(B,)`` int64."""
        return merits.argmax(1)


class BestResidual(BestQ):
    """All K views halt on their own; the one that changes least in its halting segment answers (EqR, arXiv 2605.21488).

    The residual is that of the slow state, as in the rule ``residual``. A converged view is a fixed point of the agent.
    """

    rule = "the lowest residual of {views} views"
    merit_signal = "residual_h"

    def merit(self, context: HaltContext) -> Tensor:
        """Returns the negative residual of each view, ``(B·K,)``."""
        return -super().merit(context)
