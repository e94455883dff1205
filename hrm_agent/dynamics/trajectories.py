"""Principal components of the path that a state takes (paper, figure 3, below)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Components(NamedTuple):
    """Principal components of states.

    Attributes:
        mean: Mean state, ``(D,)``.
        axes: Orthonormal axes of largest variance, ``(k, D)``; the largest entry of each is positive.
        share: Share of the variance along each axis, ``(k,)``.
    """

    mean: Floats
    axes: Floats
    share: Floats

    def coordinates(self, states: npt.ArrayLike) -> Floats:
        """Returns the coordinates ``(..., k)`` of states ``(..., D)``."""
        found: Floats = (np.asarray(states, dtype=np.float64) - self.mean) @ self.axes.T
        return found


def principal_components(states: npt.ArrayLike, count: int = 2) -> Components:
    """Returns the first principal components of states ``(n, D)``.

    Raises:
        ValueError: There are fewer than 2 states, or more components than dimensions.
    """
    x = np.asarray(states, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or not 1 <= count <= min(x.shape):
        raise ValueError(f"states: expected (n, D) with at least 2 rows and {count} columns, found shape {x.shape}")
    mean = x.mean(0)
    _, sizes, axes = np.linalg.svd(x - mean, full_matrices=False)
    axes = axes[:count]
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], axis=1))
    variance = sizes**2
    return Components(mean, axes, variance[:count] / max(variance.sum(), np.finfo(np.float64).tiny))
