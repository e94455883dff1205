"""A Stable-Baselines3 algorithm for puzzles: budget, halting, evaluation, and files of ours in place of pickles."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import get_system_info
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from hrm_agent import halting as halting_policies
from hrm_agent.checkpoints.agent_file import load_agent, save_agent
from hrm_agent.checkpoints.contents import Checkpoint
from hrm_agent.config import AgentConfig
from hrm_agent.cores.carry import Carry, chosen_rows
from hrm_agent.cores.compiling import compiled_pieces, running
from hrm_agent.cores.core import CompiledPiece
from hrm_agent.distributed import world_size
from hrm_agent.halting import Exploration, HaltingPolicy
from hrm_agent.inference.evaluation import Evaluation, evaluate
from hrm_agent.learning.learner import Learner
from hrm_agent.limits import check_thinking
from hrm_agent.puzzle_identity import PuzzleIdentity
from hrm_agent.sb3.constructor import check_names, known_options
from hrm_agent.sb3.policy import HRMPolicy
from hrm_agent.sb3.puzzle_stream import PuzzleStream
from hrm_agent.sb3.vec_env import PuzzleEnvironment, as_vec_env, sweep_env
from hrm_env.devices import check_device
from hrm_env.envs.spaces import sizes_of
from hrm_env.task import PuzzleBatch

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


class PuzzleAlgorithm(BaseAlgorithm):
    """The part of `HRM` that needs an agent to be built already, or reads it from a file.

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
    config: AgentConfig
    compile: bool | None
    _carry: Carry  # of all slots, from `learn` on
    _explorers: list[Exploration]  # one for each minibatch
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
        """Segments in an optimizer step, over all processes that train together."""
        return self.minibatch_size * world_size()

    @property
    def minibatch_size(self) -> int:
        """Slots of this process in an optimizer step."""
        return self.n_envs // self.config.minibatches

    def minibatches(self) -> list[tuple[Carry, PuzzleBatch, Tensor]]:
        """Returns the hidden states, the puzzles and the segments used of the slots of each minibatch."""
        batch, segment = self.stream.current()
        starts = range(0, self.n_envs, self.minibatch_size)
        parts = [slice(first, first + self.minibatch_size) for first in starts]
        return [(chosen_rows(self._carry, rows), chosen_rows(batch, rows), segment[rows]) for rows in parts]

    @property
    def halting(self) -> HaltingPolicy:
        """The policy that decides when to stop, in training, `predict` and `evaluate`; a string or a policy sets it."""
        return self.policy.halting

    @halting.setter
    def halting(self, halting: str | HaltingPolicy) -> None:
        made = halting_policies.make(halting)
        check_thinking(made, self.max_segments, self.policy.core)
        self.policy.halting = made
        for explorer in self._explorers:
            explorer.policy = copy.deepcopy(made)  # which remembers other rows

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
        self.policy.max_segments = self.learner.max_segments = self.max_segments
        for explorer in self._explorers:
            explorer.max_segments = self.max_segments
        self.stream = PuzzleStream(made, self.device)
        self._last_obs = None

    def save(self, path: str | Path | BinaryIO, exclude: Any = None, include: Any = None) -> None:  # type: ignore[override]
        """Writes a zip of JSON and safetensors: weights, averaged weights, optimizer state and options.

        Args:
            path: With or without ``.zip``; or a buffer, such as `io.BytesIO`.
            exclude: For SB3's signature; has no effect.
            include: For SB3's signature; has no effect.

        Raises:
            NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
        """
        save_agent(cast("HRM", self), path)

    @classmethod
    def load(  # type: ignore[override]
        cls,
        path: str | Path | BinaryIO,
        env: PuzzleEnvironment | None = None,
        device: torch.device | str = "auto",
        custom_objects: Mapping[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **overrides: Any,
    ) -> Self:
        """Reads what `save` wrote. Nothing is unpickled.

        Args:
            path: The file, with or without ``.zip``; the folder of a run that holds ``model.zip``; ``"zoo:NAME"`` or
                ``"hub:owner/name"`` for a released agent; or a buffer.
            env: Puzzles to go on with; None if the model is only to predict or to be evaluated.
            device: Device of the model.
            custom_objects: For SB3's signature. An option of the constructor replaces the file's; anything else has no
                effect.
            print_system_info: Print the versions of Python and of the libraries that matter.
            force_reset: For SB3's signature; has no effect, because puzzles that are given always begin anew.
            **overrides: Options of the constructor to change, such as ``halting="fixed:4"``. ``policy_kwargs`` changes
                those options of the core that it names, such as ``{"search": False}``, where the weights stay the same.

        Raises:
            UnknownOptionError: An override is no option of the constructor, or none of the core.
            CheckpointError: The file is missing, damaged, made for other puzzles than those of ``env``, or its weights
                are not those of a core with the changed options.
        """
        if print_system_info:
            get_system_info()
        check_names(cls, overrides)
        known = known_options(cls)
        chosen = {name: value for name, value in (custom_objects or {}).items() if name in known}
        return cast(Self, load_agent(cast("type[HRM]", cls), path, env, check_device(device), {**chosen, **overrides}))

    def set_parameters(
        self,
        load_path_or_dict: str | Path | BinaryIO | Mapping[str, Any],
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Sets the weights to those of `get_parameters` or of a checkpoint file, which is not unpickled."""
        parameters = load_path_or_dict
        if not isinstance(parameters, Mapping):
            found = Checkpoint.read(parameters)
            parameters = {"policy": found.checked_weights(self.policy.state_dict(), "this agent")}
        super().set_parameters(dict(parameters), exact_match, device)
