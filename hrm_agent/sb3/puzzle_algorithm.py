"""A Stable-Baselines3 algorithm that halts in puzzle environments, and is evaluated in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from hrm_agent import halting as halting_policies
from hrm_agent.cores.compiling import compiled_pieces, running
from hrm_agent.cores.core import CompiledPiece
from hrm_agent.distributed import world_size
from hrm_agent.halting import Exploration, HaltingPolicy
from hrm_agent.inference.evaluation import Evaluation, evaluate
from hrm_agent.learning.learner import Learner
from hrm_agent.limits import check_thinking
from hrm_agent.puzzle_identity import PuzzleIdentity
from hrm_agent.sb3.policy import HRMPolicy
from hrm_agent.sb3.puzzle_stream import PuzzleStream
from hrm_agent.sb3.vec_env import PuzzleEnvironment, as_vec_env, sweep_env
from hrm_env.envs.spaces import sizes_of


class PuzzleAlgorithm(BaseAlgorithm):
    """The part of `HRM` between an agent that is built and puzzles: budget, halting, prediction, evaluation.

    Attributes:
        policy: The policy.
        learner: The learning rule.
        puzzles: The puzzles that the agent is made for.
        stream: The puzzles that it learns from.
    """

    policy: HRMPolicy
    learner: Learner
    puzzles: PuzzleIdentity
    stream: PuzzleStream
    compile: bool | None
    _explorer: Exploration
    _compiles: bool | None  # what `learn` has decided
    _compiled_sweeps: dict[int, list[CompiledPiece]]  # by rows of a batch

    @staticmethod
    def _wrap_env(env: PuzzleEnvironment, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return as_vec_env(env, verbose)

    @property
    def max_segments(self) -> int:
        """The budget M_max, from the observation space."""
        return sizes_of(self.observation_space).max_segments

    @property
    def batch_size(self) -> int:
        """Segments in an optimizer step: the slots of all processes that train together."""
        return self.n_envs * world_size()

    @property
    def halting(self) -> HaltingPolicy:
        """The policy that decides when to stop, in training, `predict` and `evaluate`; a string or a policy sets it."""
        return self.policy.halting

    @halting.setter
    def halting(self, halting: str | HaltingPolicy) -> None:
        made = halting_policies.make(halting)
        check_thinking(made, self.max_segments, self.policy.core)
        self.policy.halting, self._explorer.policy = made, halting_policies.make(halting)

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Any]:
        """Computes one segment; see `HRMPolicy.predict`. The state is a `Reasoner`, where SB3 expects arrays."""
        return self.policy.predict(observation, state, episode_start, deterministic)

    def evaluate(
        self, env: PuzzleEnvironment, halting: str | HaltingPolicy | None = None, progress_bar: bool = False
    ) -> Evaluation:
        """Evaluates every puzzle of ``env`` exactly once; see `hrm_agent.inference.evaluation.evaluate`.

        Args:
            env: ``gym.make_vec(id, num_envs=B, order="once", ...)``; or one of SB3's or Gymnasium's scalar
                environments, whose puzzles and options are taken.
            halting: Another policy for this sweep.
            progress_bar: Show a progress bar if the sweep takes longer than a second.

        Raises:
            CheckpointError: The agent was made for other puzzles.
        """
        swept = sweep_env(env, self.device)
        self.puzzles.require(swept, "evaluate: the agent is made")
        policy = self.halting if halting is None else halting_policies.make(halting)
        self.learner.set_progress(1.0)  # full depth, as of the agent that is saved and loaded; a step sets its own
        with self.compiled_sweep(swept.num_envs * policy.views) as compiled:
            # a full batch of compiled code takes about as long as half of one without
            return evaluate(self.policy.acting_core, policy, swept, progress_bar, 0.5 if compiled else 1.0)

    @contextmanager
    def compiled_sweep(self, rows: int) -> Iterator[bool]:
        """Computes, within, batches of so many rows by compiled code; yields whether it does.

        It does not for an agent that is not compiled: ``compile`` is False, or None and no training was compiled.
        """
        decided = self.compile if self.compile is False or self._compiles is None else self._compiles
        if decided and rows not in self._compiled_sweeps:
            self._compiled_sweeps[rows] = compiled_pieces(self.policy.acting_core, rows, learning=False)
        pieces = self._compiled_sweeps[rows] if decided else []
        with running(pieces):
            yield bool(pieces)

    def set_env(self, env: PuzzleEnvironment, force_reset: bool = True) -> None:
        """Goes on with other puzzles of the same sizes; the budget of segments may differ.

        Args:
            env: The puzzles, in ``n_envs`` slots.
            force_reset: For SB3's signature; has no effect, because other puzzles always begin anew.

        Raises:
            ValueError: The puzzles have other sizes, or there are not ``n_envs`` environments.
        """
        made = as_vec_env(env, self.verbose)
        self.puzzles.require(made, "set_env: the agent is made")
        if made.num_envs != self.n_envs:
            raise ValueError(f"set_env: expected {self.n_envs} environments, found {made.num_envs}")
        check_thinking(self.halting, sizes_of(made.observation_space).max_segments, self.policy.core)
        self.env, self.observation_space = made, made.observation_space
        self.policy.max_segments = self._explorer.max_segments = self.learner.max_segments = self.max_segments
        self.stream = PuzzleStream(made, self.device)
        self._last_obs = None
