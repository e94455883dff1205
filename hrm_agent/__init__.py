"""The Hierarchical Reasoning Model as an agent that learns what to answer and when to stop.

The names of `__all__` are public, and every other module is internal. Each is imported when first used, so that a part
that needs no Stable-Baselines3 does not import it. Importing this package registers HRM-Halting-v0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gymnasium as gym

from hrm_env.extras import late_names

if TYPE_CHECKING:  # imported on first use
    from hrm_agent.checkpoints.folder import CheckpointFolder as CheckpointFolder
    from hrm_agent.checkpoints.onnx_file import export_onnx as export_onnx
    from hrm_agent.checkpoints.reference_checkpoint import read_reference as read_reference
    from hrm_agent.checkpoints.reference_checkpoint import reference_config as reference_config
    from hrm_agent.checkpoints.reference_checkpoint import write_reference as write_reference
    from hrm_agent.checkpoints.training_state import restore_training as restore_training
    from hrm_agent.config import AgentConfig as AgentConfig
    from hrm_agent.config import LearnerConfig as LearnerConfig
    from hrm_agent.cores import CORES as CORES
    from hrm_agent.cores import CoreConfig as CoreConfig
    from hrm_agent.cores import PuzzleShape as PuzzleShape
    from hrm_agent.cores import ReasoningCore as ReasoningCore
    from hrm_agent.cores import SegmentOutput as SegmentOutput
    from hrm_agent.cores import core_config as core_config
    from hrm_agent.cores import make_core as make_core
    from hrm_agent.cores import register_core as register_core
    from hrm_agent.cores.matching import matched as matched
    from hrm_agent.dynamics.answers import inner_answers as inner_answers
    from hrm_agent.dynamics.participation import participation_ratio as participation_ratio
    from hrm_agent.dynamics.recorder import inner_states as inner_states
    from hrm_agent.dynamics.residuals import residuals as residuals
    from hrm_agent.dynamics.residuals import spike_ratios as spike_ratios
    from hrm_agent.errors import CheckpointError as CheckpointError
    from hrm_agent.errors import NonFiniteError as NonFiniteError
    from hrm_agent.halting import HALTING_POLICIES as HALTING_POLICIES
    from hrm_agent.halting import Exploration as Exploration
    from hrm_agent.halting import HaltContext as HaltContext
    from hrm_agent.halting import HaltingPolicy as HaltingPolicy
    from hrm_agent.halting import make_halting_policy as make_halting_policy
    from hrm_agent.halting import register_signal as register_signal
    from hrm_agent.halting.signals import SignalInput as SignalInput
    from hrm_agent.inference.evaluation import Evaluation as Evaluation
    from hrm_agent.inference.evaluation import evaluate as evaluate
    from hrm_agent.learning.learner import Learner as Learner
    from hrm_agent.sb3.agent import HRM as HRM
    from hrm_agent.sb3.callbacks import EvaluateCallback as EvaluateCallback
    from hrm_agent.sb3.dashboard import HaltingDashboard as HaltingDashboard
    from hrm_agent.sb3.dynamics_log import DynamicsCallback as DynamicsCallback
    from hrm_agent.sb3.policy import HRMPolicy as HRMPolicy
    from hrm_agent.sb3.pretrained import load_pretrained as load_pretrained
    from hrm_agent.sb3.save_callback import SaveCallback as SaveCallback
    from hrm_agent.sb3.vec_env import as_vec_env as as_vec_env
    from hrm_agent.study.study import Study as Study
    from hrm_agent.study.study import StudyPlan as StudyPlan
    from hrm_agent.study.study import run_study as run_study
    from hrm_agent.traces.record import Traces as Traces
    from hrm_agent.traces.record import record as record
    from hrm_agent.traces.replay import replay as replay
else:
    __all__, __getattr__ = late_names(__name__)


gym.register(
    "HRM-Halting-v0",
    entry_point="hrm_agent.traces.halting_env:HaltingEnv",
    vector_entry_point="hrm_agent.traces.halting_vector:HaltingVectorEnv",
)
