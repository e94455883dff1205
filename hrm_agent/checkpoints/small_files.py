"""What a file may leave out to be small: a release needs no more than to act, a run that is carried little more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hrm_agent.cores.core import ReasoningCore

Groups = dict[str, dict[str, Tensor]]


def released(config: Mapping[str, Any], acting: ReasoningCore) -> tuple[dict[str, Any], Groups]:
    """Of an agent the acting weights alone, in bfloat16, and no state of an optimizer.

    The agent that is loaded from it has no moving average: its weights are the average.

    Args:
        config: That of the agent's own file.
        acting: The network that acts.
    """
    weights = {f"core.{name}": tensor for name, tensor in acting.state_dict().items()}
    options = {**config["options"], "ema": None}
    return {**config, "options": options}, {"policy": _halved(weights), "optimizer": {}}


def lightened(config: Mapping[str, Any], tensors: Groups) -> tuple[dict[str, Any], Groups]:
    """Of a run all but its episodes, which begin anew, with the optimizers' state in bfloat16.

    Args:
        config: That of a training checkpoint.
        tensors: Its groups.
    """
    training = {**config["training"], "ranks": []}
    return {**config, "training": training}, {"policy": tensors["policy"], "optimizer": _halved(tensors["optimizer"])}


def full_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as an agent has them: those in bfloat16 as float32."""
    return {name: tensor.float() if tensor.dtype == torch.bfloat16 else tensor for name, tensor in weights.items()}


def _halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in bfloat16; single numbers, such as counts of steps, stay as they are."""
    return {name: tensor.bfloat16() if tensor.dim() else tensor for name, tensor in tensors.items()}
