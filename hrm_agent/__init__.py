"""The Hierarchical Reasoning Model as an agent that learns what to answer and when to stop.

The names below are imported when first used, so that ``import hrm_agent.cores`` needs torch and gymnasium alone.
Importing this package registers HRM-Halting-v0; nothing is read or imported until it is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from hrm_agent.agent import HRM
    from hrm_agent.callbacks import EvaluateCallback, HaltingDashboard
    from hrm_agent.evaluation import Evaluation, evaluate
    from hrm_agent.policy import HRMPolicy
    from hrm_agent.saving.agent_file import NonFiniteError
    from hrm_agent.saving.checkpoint import CheckpointError
    from hrm_agent.vec_env import as_vec_env

__all__ = [
    "HRM",
    "CheckpointError",
    "EvaluateCallback",
    "Evaluation",
    "HRMPolicy",
    "HaltingDashboard",
    "NonFiniteError",
    "as_vec_env",
    "evaluate",
]

_HOMES = {
    "HRM": "agent",
    "NonFiniteError": "saving.agent_file",
    "EvaluateCallback": "callbacks",
    "HaltingDashboard": "callbacks",
    "CheckpointError": "saving.checkpoint",
    "Evaluation": "evaluation",
    "HRMPolicy": "policy",
    "as_vec_env": "vec_env",
    "evaluate": "evaluation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


gym.register(
    "HRM-Halting-v0",
    entry_point="hrm_agent.halting_env:HaltingEnv",
    vector_entry_point="hrm_agent.halting_vector:HaltingVectorEnv",
)
