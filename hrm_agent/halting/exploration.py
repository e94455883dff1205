"""Exploration: some episodes continue longer than the policy decides, so that Q values of late segments are learned.

Exploration wraps the policy in training alone. It also numbers the episodes, for policies that draw at random.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from hrm_agent.config import Per
from hrm_agent.config.agent import check_exploration
from hrm_agent.halting.policy import HaltContext, HaltingPolicy


class Exploration(HaltingPolicy):
    """Wraps a policy: with probability ε a row may not halt before M_min ~ U{2..M_max}; otherwise M_min = 1.

    Args:
        policy: The policy to delay.
        epsilon: Exploration rate ε.
        max_segments: Budget M_max.
        generator: Source of randomness, on the device of the batch.
        per: When M_min is drawn: once an ``"episode"`` (the paper) or anew every ``"segment"`` (the reference code).
    """

    def __init__(
        self,
        policy: HaltingPolicy,
        epsilon: float,
        max_segments: int,
        generator: torch.Generator,
        per: Per = "episode",
    ) -> None:
        check_exploration(epsilon, per)
        self.policy, self.epsilon, self.max_segments, self.per = policy, epsilon, max_segments, per
        self.generator = generator
        self.min_segments = torch.ones(0, dtype=torch.long, device=generator.device)
        self.episode = torch.zeros(0, dtype=torch.long, device=generator.device)

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]  # of the policy, which may be swapped
        """Signals that the policy needs."""
        return self.policy.needs

    @property
    def views(self) -> int:  # type: ignore[override]  # of the policy, which may be swapped
        """Number of views of each puzzle."""
        return self.policy.views

    def reset(self, mask: Tensor) -> None:
        """Draws M_min for the rows that begin an episode, or for all rows if it is drawn per segment."""
        self.policy.reset(mask)
        size, device = mask.shape, self.generator.device
        if self.episode.shape != size:
            self.episode = torch.arange(len(mask), device=device)
        self.episode = self.episode + len(mask) * mask  # no two episodes have the same number
        if self.per == "segment" or self.min_segments.shape != size:
            mask = torch.ones_like(mask)
            self.min_segments = torch.ones(size, dtype=torch.long, device=device)
        explore = torch.rand(size, generator=self.generator, device=device) < self.epsilon
        longer = torch.randint(2, max(self.max_segments, 2) + 1, size, generator=self.generator, device=device)
        self.min_segments = torch.where(mask, torch.where(explore, longer, 1), self.min_segments)

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        context = replace(context, episode=self.episode)
        return self.policy.decide(context) & (context.segment >= self.min_segments)

    def keep(self, rows: Tensor) -> None:
        """Keeps M_min and the episode number of the given rows."""
        self.policy.keep(rows)
        self.min_segments, self.episode = self.min_segments[rows], self.episode[rows]
