"""Linear probes: what can be read off a state by a linear map, such as the candidate digits of a cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Probe(NamedTuple):
    """A ridge regression from states to labels.

    Attributes:
        weight: ``(D, K)``.
        bias: ``(K,)``.
    """

    weight: Floats
    bias: Floats

    def predict(self, states: npt.ArrayLike) -> Floats:
        """Returns a score for each label, ``(n, K)``; the label is read as true above 0.5."""
        found: Floats = np.asarray(states, dtype=np.float64) @ self.weight + self.bias
        return found


def fit_probe(states: npt.ArrayLike, labels: npt.ArrayLike, ridge: float = 1e-3) -> Probe:
    """Fits a probe by least squares.

    Args:
        states: States ``(n, D)``.
        labels: Labels ``(n, K)``, each 0 or 1, such as whether a cell's row, column and box leave digit k possible.
        ridge: Weight of ‖W‖² beside the mean squared error, in units of the states' mean variance.
    """
    x, y = np.asarray(states, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"states, labels: expected (n, D) and (n, K), found shapes {x.shape} and {y.shape}")
    mean, level = x.mean(0), y.mean(0)
    covariance = (x - mean).T @ (x - mean) / len(x)
    shrink = ridge * np.trace(covariance) / len(covariance)
    weight = np.linalg.solve(covariance + shrink * np.eye(len(covariance)), (x - mean).T @ (y - level) / len(x))
    return Probe(weight, level - mean @ weight)


def balanced_accuracy(probe: Probe, states: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Returns the mean of a probe's hit rates on true and on false labels; 0.5 is chance."""
    found, true = probe.predict(states) > 0.5, np.asarray(labels, dtype=np.bool_)
    return float((found[true].mean() + (~found[~true]).mean()) / 2)
