"""What goes on inside segments, logged at every sweep."""

from __future__ import annotations

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from hrm_agent.dynamics.participation import participation_ratio
from hrm_agent.dynamics.recorder import inner_states
from hrm_agent.dynamics.residuals import residuals, spike_ratios
from hrm_agent.inference.evaluation import Evaluation
from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.callbacks import EvaluateCallback
from hrm_agent.sb3.vec_env import native


class DynamicsCallback(BaseCallback):
    """Logs residuals, spike ratio and participation ratios as ``dynamics/`` at every sweep.

    It does nothing for a core that names no inner steps (`ReasoningCore.inner_steps`).

    Args:
        sweeps: The callback after whose sweeps it measures.
        puzzles: Number of test puzzles to measure on: the first ones of a sweep.
        segments: Segments of each; the figures are those of the last of them.
    """

    def __init__(self, sweeps: EvaluateCallback, puzzles: int = 32, segments: int = 4) -> None:
        super().__init__()
        self.sweeps, self.puzzles, self.segments = sweeps, puzzles, segments
        sweeps.listeners.append(self.measure)

    def _on_step(self) -> bool:
        return True

    def measure(self, evaluation: Evaluation) -> None:
        """Measures the agent as it is after a sweep."""
        model, env = self.sweeps.model, native(self.sweeps.env)
        assert isinstance(model, HRM)
        core = model.policy.acting_core
        if not core.inner_steps():
            return
        batch = env.stored(env.rules.puzzles.round_robin()[: self.puzzles])
        *_, last = inner_states(core, batch.inputs, batch.puzzle_id, self.segments)
        found = residuals([last])
        states = dict.fromkeys(found.states)
        for state in states:
            values = torch.cat([step.value.flatten(0, -2) for step in last.steps if step.state == state])
            self.sweeps.logger.record(f"dynamics/residual_{state}", found.of(state).nanmean().item())
            ratio = participation_ratio(values.float().cpu().numpy().astype(np.float64))
            self.sweeps.logger.record(f"dynamics/participation_{state}", ratio)
        if {"z_l", "z_h"} <= states.keys() and core.cycles is not None and core.cycles[0] > 1:
            self.sweeps.logger.record("dynamics/spike_ratio", spike_ratios(found).median().item())
