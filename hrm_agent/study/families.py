"""Families of halting policies: what a policy looks at decides its family, and that its colour in every figure."""

from __future__ import annotations

from hrm_agent.halting import HaltingPolicy
from hrm_agent.halting.combinators import Combination
from hrm_agent.study.figures.style import BLUE, BROWN, GREEN, GREY, INK, PINK, PURPLE, RED

COLOURS = {
    "Q values": BLUE,
    "hidden state": GREEN,
    "answer": RED,
    "combination": PURPLE,
    "many minds": BROWN,
    "learned": PINK,
    "baseline": GREY,
    "bound": INK,
}
"""By family, in the order of a legend."""

_SIGNALS = {
    "q_halt": "Q values",
    "q_continue": "Q values",
    "residual_h": "hidden state",
    "residual_l": "hidden state",
    "cosine": "hidden state",
    "state": "hidden state",
    "entropy": "answer",
    "margin": "answer",
    "kl": "answer",
    "changed": "answer",
    "valid": "bound",
    "correct": "bound",
}


def family_of(policy: HaltingPolicy) -> str:
    """The family, a key of `COLOURS`: what the policy looks at, "learned" where that is of several kinds.

    Whatever checks the answer, by the solution or by the puzzle's rules, is a "bound": it knows more than the agent.
    """
    looks_at = {_SIGNALS[name] for name in policy.needs if name in _SIGNALS}
    if "bound" in looks_at:
        return "bound"
    if policy.views > 1:
        return "many minds"
    if isinstance(policy, Combination):
        return "combination"
    if len(looks_at) > 1:
        return "learned"
    return looks_at.pop() if looks_at else "baseline"
