"""A Stable-Baselines3 algorithm whose files are checkpoints of ours in place of pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import get_system_info

from hrm_agent.checkpoints.agent_file import load_agent, read_weights, save_agent
from hrm_agent.sb3.constructor import check_names, known_options
from hrm_agent.sb3.vec_env import PuzzleEnvironment
from hrm_env.devices import check_device

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


class SavedAlgorithm(BaseAlgorithm):
    """The part of `HRM` that saves and loads it, with the arguments that SB3's algorithms take."""

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
            **overrides: Options of the constructor to change, such as ``halting="fixed:4"``.

        Raises:
            UnknownOptionError: An override is no option of the constructor.
            CheckpointError: The file is missing, damaged, or made for other puzzles than those of ``env``.
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
            parameters = {"policy": read_weights(parameters, self.policy.state_dict())}
        super().set_parameters(dict(parameters), exact_match, device)
