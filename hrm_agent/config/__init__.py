"""The options of an agent as plain data, which imports without torch: a command can list them at once.

An agent has an `AgentConfig`, which holds a `LearnerConfig`, and its core has a `CoreConfig` of its own.
"""

from hrm_agent.config.agent import AgentConfig, Per
from hrm_agent.config.baselines import GRUConfig, Injection, RecurrentTransformerConfig, RNNConfig, TransformerConfig
from hrm_agent.config.core import (
    BlockConfig,
    CoreConfig,
    Gradient,
    HRMConfig,
    Mixer,
    MixerNorm,
    Positions,
    Precision,
    PrecisionOrAuto,
    TRMConfig,
)
from hrm_agent.config.depth import Depth
from hrm_agent.config.lattice import LatticeConfig
from hrm_agent.config.learner import Bootstrap, HaltLossName, LearnerConfig, OptimizerName, TokenLossName

CONFIGS: dict[str, type[CoreConfig]] = {
    config.name: config
    for config in (
        HRMConfig,
        TRMConfig,
        TransformerConfig,
        RecurrentTransformerConfig,
        RNNConfig,
        GRUConfig,
        LatticeConfig,
    )
}
"""The options of the built-in cores, by the core's name."""

__all__ = [
    "CONFIGS",
    "AgentConfig",
    "BlockConfig",
    "Bootstrap",
    "CoreConfig",
    "Depth",
    "GRUConfig",
    "Gradient",
    "HRMConfig",
    "HaltLossName",
    "Injection",
    "LatticeConfig",
    "LearnerConfig",
    "Mixer",
    "MixerNorm",
    "OptimizerName",
    "Per",
    "Positions",
    "Precision",
    "PrecisionOrAuto",
    "RNNConfig",
    "RecurrentTransformerConfig",
    "TRMConfig",
    "TokenLossName",
    "TransformerConfig",
]
