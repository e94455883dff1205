"""Halting policies: what decides after every segment whether the agent stops; docs/halting.md."""

from hrm_agent.halting.exploration import Exploration
from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_agent.halting.registry import POLICIES, make, rule_of, split_list
from hrm_agent.halting.session import HaltingSession
from hrm_agent.halting.signals import register_signal

__all__ = [
    "POLICIES",
    "Exploration",
    "HaltContext",
    "HaltingPolicy",
    "HaltingSession",
    "make",
    "register_signal",
    "rule_of",
    "split_list",
]
