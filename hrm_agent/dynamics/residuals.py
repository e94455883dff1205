"""Forward residuals: how far each inner step moves a state (paper, figure 3), and the spikes of L after H's updates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hrm_agent.dynamics.recorder import Segment, Step


class Residuals(NamedTuple):
    """How far the inner steps of an episode moved the states, step after step.

    Attributes:
        states: Name of the state that each step changed, of length S.
        size: ‖z_i − z_(i−1)‖ of each step, its mean over the positions of a puzzle, ``(S, B)`` float32; NaN for a state
            that had no value before.
    """

    states: list[str]
    size: Tensor

    def of(self, state: str) -> Tensor:
        """Returns the residuals of one state, ``(n, B)``."""
        return self.size[[name == state for name in self.states]]


def residual(step: Step) -> Tensor:
    """Returns the Euclidean norm of a step's change, its mean over the positions of each puzzle, ``(B,)`` float32."""
    if step.before is None:
        return torch.full((len(step.value),), torch.nan)
    change: Tensor = (step.value.float() - step.before.float()).norm(dim=-1)
    return change.flatten(1).mean(1)


def residuals(episode: Iterable[Segment]) -> Residuals:
    """Returns the residuals of all inner steps of an episode."""
    pairs = [(step.state, residual(step)) for segment in episode for step in segment.steps]
    return Residuals([name for name, _ in pairs], torch.stack([size for _, size in pairs]))


def spike_ratios(found: Residuals, fast: str = "z_l", slow: str = "z_h") -> Tensor:
    """Returns how much more the fast state moves right after an update of the slow one than right before, ``(B,)``.

    It is the ratio of the two residuals, a geometric mean over all updates that have both. A hierarchy that converges
    has ratios above 1: L settles down, H changes its problem, L moves again.

    Raises:
        ValueError: No update of the slow state lies between two steps of the fast one.
    """
    around = _around(found.states, fast, slow)
    if not around:
        raise ValueError(f"residuals: expected a step of {slow!r} between two of {fast!r}, found {found.states}")
    before, after = (found.size[list(steps)] for steps in zip(*around, strict=True))
    return (after.log() - before.log()).mean(0).exp()


def _around(states: Sequence[str], fast: str, slow: str) -> list[tuple[int, int]]:
    """Returns the steps of the fast state right before and right after each update of the slow one."""
    triples = zip(range(len(states)), states, states[1:], states[2:], strict=False)
    return [(at, at + 2) for at, *names in triples if names == [fast, slow, fast]]
