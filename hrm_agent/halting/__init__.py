"""Halting policies, by string: ``make("q-compare")``, ``make("q-threshold:0.5")``, ``make("fixed:8")``.

A new policy is one class in `rules.py` and one line in `POLICIES`.
"""

from __future__ import annotations

from collections.abc import Callable

from hrm_agent.halting.exploration import Exploration
from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_agent.halting.rules import Fixed, Oracle, QCompare, QThreshold, Random
from hrm_agent.halting.session import HaltingSession

__all__ = ["POLICIES", "Exploration", "HaltContext", "HaltingPolicy", "HaltingSession", "make"]

POLICIES: dict[str, tuple[Callable[..., HaltingPolicy], tuple[type, ...]]] = {
    "q-compare": (QCompare, ()),
    "q-threshold": (QThreshold, (float,)),
    "fixed": (Fixed, (int,)),
    "random": (Random, (float, int)),
    "oracle": (Oracle, ()),
}
"""Name to (class, types of its parameters in order)."""


def make(policy: str | HaltingPolicy) -> HaltingPolicy:
    """A fresh policy from its string form ``name`` or ``name:value[:value]``; a policy itself is returned as it is.

    Raises:
        ValueError: The name is unknown or a parameter is missing, malformed or out of range.
    """
    if isinstance(policy, HaltingPolicy):
        return policy
    name, *texts = policy.split(":")
    if name not in POLICIES:
        raise ValueError(f"halting: expected one of {', '.join(POLICIES)}, found {policy!r}")
    build, types = POLICIES[name]
    if len(texts) > len(types):
        raise ValueError(f"halting {policy!r}: {name} takes {len(types)} parameter(s), found {len(texts)}")
    try:
        made = build(*(kind(text) for kind, text in zip(types, texts, strict=False)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"halting {policy!r}: {error}") from error
    made.name = policy
    return made
