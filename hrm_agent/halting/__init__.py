"""Halting policies, by string: ``make("q-compare")``, ``make("kl:0.001")``, ``make("any(patience:2,min:3(kl:0.1))")``.

A new policy is one class in `rules.py` and one line in `POLICIES`.
"""

from __future__ import annotations

from hrm_agent.halting import minds, rules
from hrm_agent.halting.combinators import AllOf, AnyOf, Combination, Max, Min
from hrm_agent.halting.exploration import Exploration
from hrm_agent.halting.learned import Learned
from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_agent.halting.session import HaltingSession

__all__ = ["POLICIES", "Exploration", "HaltContext", "HaltingPolicy", "HaltingSession", "make", "rule_of", "split_list"]

POLICIES: dict[str, type[HaltingPolicy]] = {
    "q-compare": rules.QCompare,
    "q-threshold": rules.QThreshold,
    "q-margin": rules.QMargin,
    "cumulative": rules.Cumulative,
    "cdf": rules.HaltingCDF,
    "ponder": rules.Ponder,
    "residual": rules.Residual,
    "cosine": rules.Cosine,
    "kl": rules.KL,
    "entropy": rules.Entropy,
    "margin": rules.Margin,
    "patience": rules.Patience,
    "verifier": rules.Verifier,
    "fixed": rules.Fixed,
    "random": rules.Random,
    "oracle": rules.Oracle,
    "sb3": Learned,
    "any": AnyOf,
    "all": AllOf,
    "min": Min,
    "max": Max,
    "halt-first": minds.HaltFirst,
    "best-q": minds.BestQ,
}
"""By name; those that are a `Combination` take other policies in parentheses."""


def make(policy: str | HaltingPolicy) -> HaltingPolicy:
    """A fresh policy from its string form ``name[:value...]`` or ``name[:value...](policy,...)``.

    A policy itself is returned as it is.

    Raises:
        ValueError: The name is unknown or a parameter is missing, malformed or out of range.
    """
    if isinstance(policy, HaltingPolicy):
        return policy
    name = rule_of(policy)
    if name not in POLICIES:
        raise ValueError(f"halting: expected one of {', '.join(POLICIES)}, found {policy!r}")
    kind, rest = POLICIES[name], policy[len(name) :]
    given = {}
    if issubclass(kind, Combination):
        rest, opened, inner = rest.partition("(")
        if not opened and kind.default is not None:
            inner = f"{kind.default})"
        if not inner.endswith(")"):
            raise ValueError(f"halting {policy!r}: expected {name}...(policy, ...), such as {name}...(q-compare)")
        given["policies"] = [make(text) for text in split_list(inner[:-1])]
    elif rest.startswith("("):
        raise ValueError(f"halting {policy!r}: {name} takes no policies")
    last_is_text = kind.parameters[-1:] == (str,)  # a path, which may hold colons
    texts = rest[1:].split(":", len(kind.parameters) - 1 if last_is_text else -1) if rest else []
    if len(texts) > len(kind.parameters):
        raise ValueError(f"halting {policy!r}: {name} takes {len(kind.parameters)} parameter(s), found {len(texts)}")
    try:
        made = kind(*(parse(text) for parse, text in zip(kind.parameters, texts, strict=False)), **given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"halting {policy!r}: {error}") from error
    made.name = policy
    return made


def rule_of(policy: str) -> str:
    """The name of the rule in a policy's string form: ``"kl"`` of ``"kl:0.01"``."""
    return policy.partition("(")[0].partition(":")[0]


def split_list(text: str) -> list[str]:
    """The policies of a list between commas, those within parentheses aside."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]
