"""Whether a state settles: the distance from its fixed point, and the spectral radius of the step that moves it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
"""One step of a state ``(B, ..., D)`` while everything else stands still."""


@torch.no_grad()
def convergence(step: Map, start: Tensor, count: int) -> Tensor:
    """Runs a step over and over, far beyond the T steps of a cycle.

    Returns:
        ‖z_i − z_(i−1)‖/‖z_i‖ of each repetition, ``(count, B)`` float32; it goes to 0 where the state settles.
    """
    sizes, state = [], start
    for _ in range(count):
        before, state = state, step(state)
        norm, moved = (part.float().flatten(1).norm(dim=1) for part in (state, state - before))
        sizes.append(moved / norm.clamp_min(torch.finfo(norm.dtype).tiny))
    return torch.stack(sizes)


def spectral_radius(step: Map, state: Tensor, iterations: int = 50, seed: int = 0) -> Tensor:
    """Estimates the spectral radius of the Jacobian of a step at a state, for each row of the batch apart.

    Power iteration with forward-mode products J·v. Where the largest eigenvalues are a complex pair, the norms
    oscillate; the geometric mean over the second half of the iterations levels that out.

    Args:
        step: The step; rows must not depend on one another.
        state: Where the Jacobian is taken, ``(B, ..., D)`` floating point.
        iterations: Products with the Jacobian.
        seed: Seed of the start vector.

    Returns:
        The estimates, ``(B,)`` float32; below 1 the step contracts nearby.
    """
    vector = torch.randn(state.shape, generator=torch.Generator().manual_seed(seed)).to(state)
    logs = []
    for _ in range(iterations):
        vector = vector / _row_norms(vector).clamp_min(torch.finfo(torch.float32).tiny).to(vector)
        vector = torch.func.jvp(step, (state,), (vector,))[1].detach()
        logs.append(_row_norms(vector).flatten().float().log())
    return torch.stack(logs[iterations // 2 :]).mean(0).exp()


def _row_norms(vector: Tensor) -> Tensor:
    """Returns the norm of each row, with its batch axis first and all others of size 1."""
    norms: Tensor = vector.float().flatten(1).norm(dim=1)
    return norms.view(-1, *[1] * (vector.dim() - 1))
