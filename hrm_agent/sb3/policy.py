"""The policy in the sense of Stable-Baselines3: a core, its averaged weights, and a halting policy."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from hrm_agent import halting as halting_policies
from hrm_agent.checkpoints.agent_file import load_policy, save_policy
from hrm_agent.cores import PuzzleShape, ReasoningCore, make_core
from hrm_agent.halting import HaltingPolicy
from hrm_agent.inference.reasoner import Reasoner
from hrm_agent.learning.average import WeightAverage
from hrm_env.devices import check_device
from hrm_env.envs.spaces import pack_action, sizes_of
from hrm_env.task import PuzzleTask


class HRMPolicy(BasePolicy):
    """Answers puzzles and decides when to halt. ``policy_kwargs`` are the core's name and options.

    Args:
        observation_space: Observation space of a puzzle environment.
        action_space: Action space of the same environment.
        lr_schedule: For SB3's signature; has no effect, because the learner has its own.
        core: Name in `hrm_agent.cores.CORES`.
        **core_options: Options of the core.

    Attributes:
        core: The trained network.
        core_options: Name and options of the core.
        average: Moving average of the weights, if the learner keeps one.
        halting: The halting policy; it can be replaced at any time.
        task: The puzzle family, if it is known, for halting policies that check the answer.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule | None = None,
        core: str = "hrm",
        **core_options: Any,
    ) -> None:
        super().__init__(observation_space, action_space)
        sizes = sizes_of(observation_space)
        self.max_segments = sizes.max_segments
        self.core_options = {"core": core, **core_options}
        self.core = make_core(PuzzleShape(sizes.seq_len, sizes.vocab_size, sizes.num_puzzle_ids), core, **core_options)
        self.average: WeightAverage | None = None
        self.halting = halting_policies.make("q-compare")
        self.task: PuzzleTask | None = None

    @property
    def acting_core(self) -> ReasoningCore:
        """The network that acts: the averaged one if there is one."""
        return self.core if self.average is None else self.average.module

    def forward(self, obs: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Returns actions ``(B, L+1)`` after one segment from a fresh hidden state."""
        return self._predict(obs, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Does what `forward` does; SB3 calls it for policies without memory."""
        named = cast(dict[str, Tensor], observation)
        return self._act(named, None, torch.ones(len(named["inputs"]), dtype=torch.bool, device=self.device))[0]

    def _act(self, observation: dict[str, Tensor], state: Reasoner | None, start: Tensor) -> tuple[Tensor, Reasoner]:
        """Returns actions ``(B, L+1)`` and the state for the next call."""
        inputs, puzzle_id, segment = (observation[key].long() for key in ("inputs", "puzzle_id", "segment"))
        if state is None:
            if bool(segment.any()):
                warnings.warn(
                    "predict: expected the state that it returned at the segment before, found none, so the hidden "
                    "state of an episode under way is reset; write: action, state = model.predict(observation, state)",
                    stacklevel=4,  # the caller of `HRM.predict`
                )
            reasoner = Reasoner(self.acting_core, self.halting, self.max_segments, len(inputs), self.task)
            start = torch.ones_like(start)
        else:
            if len(state.work) != len(inputs):
                raise ValueError(f"state: expected that of {len(inputs)} rows, found {len(state.work)}")
            reasoner = state.copy()
            start = start | (segment == 0)
        result = reasoner.think(inputs, puzzle_id, start, segment)
        return pack_action(result.handed_in, result.halt), reasoner

    def predict(  # type: ignore[override]  # SB3 types every state as arrays
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: Reasoner | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Reasoner]:
        """Computes one segment; returns actions and the state for the next call (hidden state and halting memory).

        Answers are the most probable tokens, and halting follows the halting policy without exploration.

        Args:
            observation: One observation or a batch.
            state: The state that the last call returned; None begins, with a warning if an episode is under way.
            episode_start: Rows that begin an episode, ``(B,)``; rows with ``segment == 0`` begin in any case.
            deterministic: For SB3's signature; has no effect.
        """
        tensors, vectorized = self.obs_to_tensor(observation)
        named = cast(dict[str, Tensor], tensors)
        start = torch.zeros(len(named["inputs"]), dtype=torch.bool, device=self.device)
        if episode_start is not None:
            start = start | torch.as_tensor(episode_start, dtype=torch.bool, device=self.device)
        action, reasoner = self._act(named, state, start)
        array = action.cpu().numpy()
        return (array if vectorized else array[0]), reasoner

    def save(self, path: str | Path | BinaryIO) -> None:
        """Writes weights, averaged weights and the halting policy as a zip of JSON and safetensors.

        Args:
            path: The file, with or without ``.zip``, or a buffer.

        Raises:
            NonFiniteError: A weight is not finite; a file that exists is not changed.
        """
        save_policy(self, path)

    @classmethod
    def load(
        cls,
        path: str | Path | BinaryIO,
        device: torch.device | str = "auto",
        halting: str | HaltingPolicy | None = None,
    ) -> Self:
        """Reads a file of `save` or `HRM.save`. Nothing is unpickled.

        Args:
            path: The file, with or without ``.zip``, the folder of a run, or a buffer.
            device: Device of the policy.
            halting: A halting policy that replaces the saved one.

        Raises:
            CheckpointError: The file is missing or damaged.
        """
        place = check_device(device)
        return cast(Self, load_policy(cls, path, halting)).to(place)
