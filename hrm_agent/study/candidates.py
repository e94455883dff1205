"""The policies that a study compares: the registry with its sweeps, a few combinations, and calibrated thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from hrm_agent.halting import POLICIES, HaltingPolicy, make
from hrm_agent.halting.combinators import Combination
from hrm_agent.study.calibration import calibrate
from hrm_agent.traces.record import Traces

COMBINATIONS = (
    "any(patience:2,q-threshold:0.9)",
    "all(patience:1,q-threshold:0.9)",
    "any(entropy:0.01,q-threshold:0.95)",
    "all(margin:0.5,q-threshold:0.5)",
    "min:2(kl:0.01)",
    "min:2(q-threshold:0.5)",
    "max:4(q-compare)",
    "abstain(q-threshold:0.5,q-threshold:0.9)",
    "abstain(q-threshold:0.9,q-threshold:0.9)",
    "abstain(patience:1,q-threshold:0.9)",
    "abstain(q-threshold:0.9,patience:1)",
)
"""Combinations that a study tries by default."""

VIEW_POLICIES = ("halt-first:{views}(q-threshold:0.9)", "best-q:{views}(q-compare)", "best-q:{views}(q-threshold:0.9)")
"""Policies of several views that a study tries in addition to those of the registry."""


@dataclass(frozen=True)
class Candidate:
    """A policy in the comparison; its parameters may differ between checkpoints.

    Attributes:
        name: Its string form, or a summary of the string forms of all checkpoints.
        policies: String form for each checkpoint.
        note: What distinguishes it, such as a calibration; may be empty.
    """

    name: str
    policies: tuple[str, ...]
    note: str = ""

    def make(self) -> HaltingPolicy:
        """Returns the policy of the first checkpoint."""
        return make(self.policies[0])


def default_policies(views: int = 1, noise: Sequence[float] = (), budget: int = 0) -> list[str]:
    """Returns every registered rule with the parameters of its `sweep`, and some combinations.

    Args:
        views: Recorded views; policies of several views need 2 or more.
        noise: Parameters of these views' noise, as in the string form of a policy.
        budget: Segments; ``fixed:budget`` takes part and no larger one, which would be the same policy; 0 for no limit.
    """
    texts = [
        f"{name}:{value}" if value else name
        for name, kind in POLICIES.items()
        for value in kind.sweep
        if not issubclass(kind, Combination) and str not in kind.parameters
    ]
    if budget:
        texts = [text for text in texts if not (text.startswith("fixed:") and int(text[6:]) >= budget)]
        texts.append(f"fixed:{budget}")
    texts += COMBINATIONS
    sizes = [views_form(size, noise) for size in (2, 4, 8, 16, 32) if size <= views]
    texts += [f"{rule}:{size}" for size in sizes for rule in ("halt-first", "best-q", "best-residual")]
    texts += [text.format(views=size) for size in sizes for text in VIEW_POLICIES]
    shorter = [segments for segments in (1, 2, 4, 8, 16, 32, 64) if segments < budget]
    texts += [f"{rule}:{size}(fixed:{m})" for size in sizes for m in shorter for rule in ("best-q", "best-residual")]
    return list(dict.fromkeys(texts))


def views_form(views: int, noise: Sequence[float]) -> str:
    """Returns the parameters of a policy of several views in its string form: ``"4"``, ``"4:0:0.1"``."""
    numbers = [f"{each:g}" for each in (views, *noise)]
    while numbers[-1] == "0":
        numbers.pop()
    return ":".join(numbers)


def calibrated(
    traces: Sequence[Traces],
    budget: int,
    risks: Sequence[float],
    confidence: float,
    joint: bool = False,
    seed: int = 0,
) -> tuple[list[Candidate], list[str]]:
    """Calibrates thresholds on σ(q_halt) for each checkpoint; see `hrm_agent.study.calibration`.

    Args:
        traces: Traces of each checkpoint, of puzzles that the study does not score.
        budget: Segments.
        risks: Accepted risks; each calibrates a policy that halts and one that abstains.
        confidence: Confidence of the guarantees.
        joint: Whether all guarantees hold at once with this confidence; otherwise each holds by itself.
        seed: Seed for the draw of one puzzle from every group.

    Returns:
        The policies, and a line on the result of each calibration.
    """
    candidates, lines = [], []
    count = 2 * len(risks) * len(traces)
    each_confidence = 1 - (1 - confidence) / count if joint else confidence
    for selective, risk in product((False, True), risks):
        found = [
            calibrate(
                each.signals["q_halt"][:, 0, :budget],
                each.correct[:, 0, :budget],
                risk,
                each_confidence,
                selective=selective,
                group=each.group,
                seed=seed,
            )
            for each in traces
        ]
        kind = "selective risk" if selective else "risk"
        policies = tuple(each.policy for each in found)
        candidates.append(Candidate(_summary(policies), policies, f"calibrated: {kind} ≤ {risk * 100:g} %"))
        lines += [each.describe() for each in found]
    if joint:
        lines.append(f"all {count} guarantees hold at once with confidence {confidence:g} (Bonferroni)")
    elif count > 1:
        lines.append(
            f"each of these {count} guarantees holds with confidence {confidence:g} by itself, not all at once"
        )
    return candidates, lines


def _summary(policies: Sequence[str]) -> str:
    """Returns one name for the policies of several checkpoints, such as ``q-threshold:0.9|0.95``."""
    different = list(dict.fromkeys(policies))
    rules = {policy.partition(":")[0] for policy in different}
    if len(rules) > 1 or "(" in "".join(rules):
        return "|".join(different)
    return f"{rules.pop()}:{'|'.join(policy.partition(':')[2] for policy in different)}"
