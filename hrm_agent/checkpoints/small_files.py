"""Smaller files: a release holds what acting needs, and a run that moves between machines little more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hrm_agent.config import BlockConfig
from hrm_agent.cores.core import ReasoningCore

Groups = dict[str, dict[str, Tensor]]


def released(config: Mapping[str, Any], acting: ReasoningCore) -> tuple[dict[str, Any], Groups]:
    """Returns the contents of a release: the acting weights in bfloat16, without optimizer state.

    An agent loaded from it has no moving average: its weights are the average. Its core's precision is ``"auto"``,
    whatever it was trained in, because a processor that lacks bfloat16 is several times slower in it.

    Args:
        config: Config of the agent's own file.
        acting: The network that acts.
    """
    weights = {f"core.{name}": tensor for name, tensor in acting.state_dict().items()}
    precision = {"dtype": "auto"} if isinstance(acting.config, BlockConfig) else {}
    changed = {"policy_kwargs": config["policy_kwargs"] | precision, "options": {**config["options"], "ema": None}}
    return {**config, **changed}, {"policy": _halved(weights), "optimizer": {}}


def lightened(config: Mapping[str, Any], tensors: Groups) -> tuple[dict[str, Any], Groups]:
    """Returns the contents of a run without its episodes, which begin anew, and with optimizer state in bfloat16.

    Args:
        config: Config of a training checkpoint.
        tensors: Its groups of tensors.
    """
    training = {**config["training"], "ranks": []}
    return {**config, "training": training}, {"policy": tensors["policy"], "optimizer": _halved(tensors["optimizer"])}


def full_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns tensors as an agent has them: those in bfloat16 as float32."""
    return {name: tensor.float() if tensor.dtype == torch.bfloat16 else tensor for name, tensor in weights.items()}


def _halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns tensors in bfloat16; single numbers, such as counts of steps, keep their type."""
    return {name: tensor.bfloat16() if tensor.dim() else tensor for name, tensor in tensors.items()}
