"""The Hierarchical Reasoning Model as an agent that learns what to answer and when to stop.

The names below are imported when first used, so that ``import hrm_agent.cores`` needs torch and gymnasium alone.
Importing this package registers HRM-Halting-v0; nothing is read or imported until it is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from hrm_agent.checkpoints.folder import CheckpointFolder
    from hrm_agent.checkpoints.training_state import restore_training
    from hrm_agent.errors import CheckpointError, NonFiniteError
    from hrm_agent.inference.evaluation import Evaluation, evaluate
    from hrm_agent.sb3.agent import HRM
    from hrm_agent.sb3.callbacks import EvaluateCallback, HaltingDashboard, SaveCallback
    from hrm_agent.sb3.policy import HRMPolicy
    from hrm_agent.sb3.vec_env import as_vec_env

__all__ = [
    "HRM",
    "CheckpointError",
    "CheckpointFolder",
    "EvaluateCallback",
    "Evaluation",
    "HRMPolicy",
    "HaltingDashboard",
    "NonFiniteError",
    "SaveCallback",
    "as_vec_env",
    "evaluate",
    "restore_training",
]

_HOMES = {
    "HRM": "sb3.agent",
    "NonFiniteError": "errors",
    "EvaluateCallback": "sb3.callbacks",
    "HaltingDashboard": "sb3.callbacks",
    "CheckpointError": "errors",
    "CheckpointFolder": "checkpoints.folder",
    "SaveCallback": "sb3.callbacks",
    "restore_training": "checkpoints.training_state",
    "Evaluation": "inference.evaluation",
    "HRMPolicy": "sb3.policy",
    "as_vec_env": "sb3.vec_env",
    "evaluate": "inference.evaluation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


gym.register(
    "HRM-Halting-v0",
    entry_point="hrm_agent.traces.halting_env:HaltingEnv",
    vector_entry_point="hrm_agent.traces.halting_vector:HaltingVectorEnv",
)
