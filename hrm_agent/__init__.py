"""The Hierarchical Reasoning Model as an agent that learns what to answer and when to stop.

The names of `__all__` are public, and every other module is internal. Each is imported when first used, so that a part
that needs no Stable-Baselines3 does not import it. Importing this package registers HRM-Halting-v0.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from hrm_agent.checkpoints.folder import CheckpointFolder
    from hrm_agent.checkpoints.reference_checkpoint import read_reference, reference_config, write_reference
    from hrm_agent.checkpoints.training_state import restore_training
    from hrm_agent.config import AgentConfig, LearnerConfig
    from hrm_agent.cores import CORES, CoreConfig, PuzzleShape, ReasoningCore, SegmentOutput, make_core, register_core
    from hrm_agent.errors import CheckpointError, NonFiniteError
    from hrm_agent.halting import POLICIES as HALTING_POLICIES
    from hrm_agent.halting import Exploration, HaltContext, HaltingPolicy, register_signal
    from hrm_agent.halting import make as make_halting_policy
    from hrm_agent.halting.signals import SignalInput
    from hrm_agent.inference.evaluation import Evaluation, evaluate
    from hrm_agent.learning.learner import Learner
    from hrm_agent.sb3.agent import HRM
    from hrm_agent.sb3.callbacks import EvaluateCallback, HaltingDashboard
    from hrm_agent.sb3.policy import HRMPolicy
    from hrm_agent.sb3.save_callback import SaveCallback
    from hrm_agent.sb3.vec_env import as_vec_env
    from hrm_agent.study.study import Study, StudyPlan, run_study
    from hrm_agent.traces.record import Traces, record
    from hrm_agent.traces.replay import replay

__all__ = [
    "CORES",
    "HALTING_POLICIES",
    "HRM",
    "AgentConfig",
    "CheckpointError",
    "CheckpointFolder",
    "CoreConfig",
    "EvaluateCallback",
    "Evaluation",
    "Exploration",
    "HRMPolicy",
    "HaltContext",
    "HaltingDashboard",
    "HaltingPolicy",
    "Learner",
    "LearnerConfig",
    "NonFiniteError",
    "PuzzleShape",
    "ReasoningCore",
    "SaveCallback",
    "SegmentOutput",
    "SignalInput",
    "Study",
    "StudyPlan",
    "Traces",
    "as_vec_env",
    "evaluate",
    "make_core",
    "make_halting_policy",
    "read_reference",
    "record",
    "reference_config",
    "register_core",
    "register_signal",
    "replay",
    "restore_training",
    "run_study",
    "write_reference",
]

_HOMES = {
    "CORES": "cores",
    "HALTING_POLICIES": "halting:POLICIES",
    "HRM": "sb3.agent",
    "AgentConfig": "config",
    "CheckpointError": "errors",
    "CheckpointFolder": "checkpoints.folder",
    "CoreConfig": "cores",
    "EvaluateCallback": "sb3.callbacks",
    "Evaluation": "inference.evaluation",
    "Exploration": "halting",
    "HRMPolicy": "sb3.policy",
    "HaltContext": "halting",
    "HaltingDashboard": "sb3.callbacks",
    "HaltingPolicy": "halting",
    "Learner": "learning.learner",
    "LearnerConfig": "config",
    "SignalInput": "halting.signals",
    "NonFiniteError": "errors",
    "PuzzleShape": "cores",
    "ReasoningCore": "cores",
    "SaveCallback": "sb3.save_callback",
    "SegmentOutput": "cores",
    "Study": "study.study",
    "StudyPlan": "study.study",
    "Traces": "traces.record",
    "as_vec_env": "sb3.vec_env",
    "evaluate": "inference.evaluation",
    "make_core": "cores",
    "make_halting_policy": "halting:make",
    "read_reference": "checkpoints.reference_checkpoint",
    "record": "traces.record",
    "reference_config": "checkpoints.reference_checkpoint",
    "register_core": "cores",
    "register_signal": "halting",
    "replay": "traces.replay",
    "restore_training": "checkpoints.training_state",
    "run_study": "study.study",
    "write_reference": "checkpoints.reference_checkpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute or name)


gym.register(
    "HRM-Halting-v0",
    entry_point="hrm_agent.traces.halting_env:HaltingEnv",
    vector_entry_point="hrm_agent.traces.halting_vector:HaltingVectorEnv",
)
