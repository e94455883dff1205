"""Policies of several views: K views of a puzzle are computed side by side, and one of them answers for all."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from hrm_agent.halting.combinators import AnyOf
from hrm_agent.halting.policy import HaltContext, HaltingPolicy


class ViewPolicy(AnyOf):
    """Base class. Row ``b·K + k`` of a batch is view k of puzzle b; the rows of a puzzle halt together.

    A view halts where one of the inner policies would halt it, and keeps its logit of halting from then on. A subclass
    defines when enough views have halted and which of them answers.

    Args:
        views: Number of views K.
        noise: Standard deviation of the noise on the start state of views 1 to K − 1; see `Views`.
        policies: Inner policies, which halt a view; without any, each view uses the whole budget.

    Attributes:
        halted: Views that have halted by choice, ``(B·K,)`` bool.
        q_halt: Logit of halting of each view, at its halting segment or else now, ``(B·K,)``.
    """

    parameters = (int, float)
    sweep = ("2", "4", "8")

    def __init__(self, views: int, noise: float = 0.0, *, policies: Sequence[HaltingPolicy]) -> None:
        if views < 1:
            raise ValueError(f"expected at least 1 view, found {views}")
        if not 0 <= noise < math.inf:
            raise ValueError(f"expected noise of 0 or more, found {noise}")
        if any(policy.abstains() is not False for policy in policies):
            raise ValueError("a policy that abstains has to stand outside a policy of several views")
        super().__init__(policies)
        self.needs = tuple(dict.fromkeys(("q_halt", *self.needs)))
        self.views, self.noise = views, noise
        self.q_halt = torch.empty(0)

    @abstractmethod
    def enough(self, halted: Tensor) -> Tensor:
        """Returns which puzzles halt, ``(B,)`` bool, given the views that have halted, ``(B, K)`` bool."""

    @abstractmethod
    def best(self, halted: Tensor, q_halt: Tensor) -> Tensor:
        """Returns the view that answers for each puzzle, ``(B,)`` int64.

        Args:
            halted: Views that have halted by choice, ``(B, K)`` bool.
            q_halt: Logit of halting of each view, at its halting segment or else now, ``(B, K)``.
        """

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B·K,)`` bool."""
        assert self.halted is not None
        self.q_halt = torch.where(self.halted, self.q_halt, context["q_halt"])
        self.halted = self.halted | super().decide(context)
        return self.enough(self._by_puzzle(self.halted)).repeat_interleave(self.views)

    def elect(self) -> Tensor:
        """Returns the view that answers for each puzzle, after the last decision: ``(B,)`` int64."""
        assert self.halted is not None
        return self.best(self._by_puzzle(self.halted), self._by_puzzle(self.q_halt))

    def reset(self, mask: Tensor) -> None:
        """Forgets the rows that begin an episode."""
        super().reset(mask)
        if self.halted is None or self.halted.shape != mask.shape:
            self.halted, self.q_halt = torch.zeros_like(mask), torch.zeros_like(mask, dtype=torch.float32)
        self.halted = self.halted & ~mask

    def keep(self, rows: Tensor) -> None:
        """Keeps the memory of the given rows."""
        super().keep(rows)
        assert self.halted is not None
        self.halted, self.q_halt = self.halted[rows], self.q_halt[rows]

    def describe(self) -> str:
        """Describes when it halts and which view answers."""
        noise = f" with noise {self.noise:g}" if self.noise else ""
        until = self.inner() if self.policies else "(m = M)"
        return f"{self.rule.format(**vars(self))}{noise}, each until {until}"

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

    def best(self, halted: Tensor, q_halt: Tensor) -> Tensor:
        """Returns the halted view with the highest Q_halt, or that of all views if none has halted: ``(B,)`` int64."""
        candidates = halted | ~halted.any(1, keepdim=True)
        return q_halt.masked_fill(~candidates, -math.inf).argmax(1)


class BestQ(ViewPolicy):
    """All K views halt on their own; the one with the highest Q_halt at its halting segment answers (arXiv 2605.19943).

    Without inner policies every view uses the whole budget, as in PTRM.
    """

    rule = "the highest Q_halt of {views} views"
    default = ""

    def enough(self, halted: Tensor) -> Tensor:
        """Returns the puzzles of which all views have halted, ``(B,)`` bool."""
        return halted.all(1)

    def best(self, halted: Tensor, q_halt: Tensor) -> Tensor:
        """Returns the view with the highest Q_halt, ``(B,)`` int64."""
        return q_halt.argmax(1)
