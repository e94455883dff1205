"""Halting policies: what decides after every segment whether the agent stops; docs/halting.md."""

from hrm_agent.halting.exploration import Exploration
from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_agent.halting.registry import POLICIES, make, rule_of, split_list
from hrm_agent.halting.registry import POLICIES as HALTING_POLICIES  # as `hrm_agent` calls them
from hrm_agent.halting.registry import make as make_halting_policy
from hrm_agent.halting.session import HaltingSession
from hrm_agent.halting.signals import register_signal

__all__ = [
    "HALTING_POLICIES",
    "POLICIES",
    "Exploration",
    "HaltContext",
    "HaltingPolicy",
    "HaltingSession",
    "make",
    "make_halting_policy",
    "register_signal",
    "rule_of",
    "split_list",
]
