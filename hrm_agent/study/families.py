"""Families of halting policies. What a policy reads decides its family, and the family its colour in every figure."""

from __future__ import annotations

from hrm_agent.halting import HaltingPolicy
from hrm_agent.halting.combinators import Combination
from hrm_agent.study.figures.style import BLUE, BROWN, GREEN, GREY, INK, PINK, PURPLE, RED

COLOURS = {
    "Q values": BLUE,
    "hidden state": GREEN,
    "answer": RED,
    "combination": PURPLE,
    "several views": BROWN,
    "learned": PINK,
    "baseline": GREY,
    "bound": INK,
}
"""Colour of each family, in the order of a legend."""

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
    """Returns the family, a key of `COLOURS`: the kind of signal that the policy reads, "learned" for several kinds.

    A policy that checks the answer, by the solution or by the rules of the puzzle, is a "bound": it knows more than the
    agent.
    """
    read = {_SIGNALS[name] for name in policy.needs if name in _SIGNALS}
    if "bound" in read:
        return "bound"
    if policy.views > 1:
        return "several views"
    if isinstance(policy, Combination):
        return "combination"
    if len(read) > 1:
        return "learned"
    return read.pop() if read else "baseline"
