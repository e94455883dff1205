"""Inputs of a learned policy: signals scaled to [−1, 1], the same live, in replay and in HRM-Halting-v0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hrm_agent.halting.policy import HaltContext
from hrm_env.checks import shortened


@dataclass(frozen=True)
class Feature:
    """An input of one number for each row, or of D numbers for ``state``.

    Attributes:
        formula: Its formula, in which g is `logarithmic` and s is `softsign`.
        needs: Names of the signals that it is computed from.
        of: Computes it, ``(B,)`` or ``(B, D)`` float64.
    """

    formula: str
    needs: tuple[str, ...]
    of: Callable[[HaltContext], Tensor]


def softsign(value: Tensor) -> Tensor:
    """Returns s(x) = x / (5 + |x|), which is strictly increasing: 0.37 at σ(x) = 0.95 and 0.48 at σ(x) = 0.99."""
    return value / (5 + value.abs())


def logarithmic(value: Tensor) -> Tensor:
    """Returns g(x) = (2 + log10 x) / 4 with x clipped to [10^−6, 10^2]: 0 at 0.01, plus 0.25 for every factor of 10."""
    return (2 + value.clamp(1e-6, 1e2).log10()) / 4


def _signal(name: str, formula: str, scale: Callable[[Tensor], Tensor]) -> Feature:
    return Feature(formula, (name,), lambda context: scale(context[name].double()))


FEATURES: dict[str, Feature] = {
    "q_halt": _signal("q_halt", "s(Q_halt)", softsign),
    "q_continue": _signal("q_continue", "s(Q_continue)", softsign),
    "entropy": _signal("entropy", "g(mean entropy)", logarithmic),
    "margin": _signal("margin", "least margin", lambda margin: margin),
    "changed": _signal("changed", "share of cells that changed", lambda share: share),
    "kl": _signal("kl", "g(KL(p^{m−1} ‖ p^m))", logarithmic),
    "residual_h": _signal("residual_h", "g(‖Δz_H‖ / ‖z_H‖)", logarithmic),
    "residual_l": _signal("residual_l", "g(‖Δz_L‖ / ‖z_L‖)", logarithmic),
    "cosine": _signal("cosine", "g(1 − cos(z_H^m, z_H^{m−1}))", lambda cosine: logarithmic(1 - cosine)),
    "fraction": Feature("m / M", (), lambda context: context.segment.double() / context.max_segments),
    "state": _signal("state", "s(5 · mean of z_H over positions)", lambda state: softsign(5 * state)),
}
"""Features by name."""

DEFAULT_FEATURES = tuple(name for name in FEATURES if name != "state")
"""Names of all features of one number."""


def check_features(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names as a tuple.

    Raises:
        ValueError: There is no name, or a name is unknown or repeated.
    """
    given: list[Any] = list(names) if isinstance(names, list | tuple) else [names]
    if not given or any(name not in list(FEATURES) for name in given) or len(set(given)) < len(given):
        raise ValueError(f"features: expected different names of {', '.join(FEATURES)}, found {shortened(given)}")
    return tuple(given)


def signals_of(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the signals that features are computed from."""
    return tuple(dict.fromkeys(signal for name in names for signal in FEATURES[name].needs))


def observe(context: HaltContext, names: Sequence[str]) -> Tensor:
    """Returns the features of a segment in the given order, ``(B, F)`` float32.

    They are computed in float64 and rounded once, so that they do not depend on batch shape or device.
    """
    columns = [FEATURES[name].of(context) for name in names]
    return torch.cat([column.view(len(context.segment), -1) for column in columns], dim=1).float()
