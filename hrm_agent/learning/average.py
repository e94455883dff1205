"""The moving average of a core's weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.learning.optim import split_parameters


class WeightAverage(nn.Module):
    """Exponential moving average of the dense weights: a ← decay · a + (1 - decay) · w; the first update copies.

    The sparse puzzle embedding is not averaged but shared with the trained core, as in the code of TRM (arXiv
    2510.04871), so an update costs the same for every number of puzzle ids. A state dict leaves that table out.

    Args:
        core: The network whose weights are averaged.
        decay: Decay a, from 0 (no memory) to below 1.

    Attributes:
        module: The network with the averaged weights.
    """

    module: ReasoningCore
    n_averaged: Tensor

    def __init__(self, core: ReasoningCore, decay: float) -> None:
        super().__init__()
        shared = {id(table): table for table in split_parameters(core)[1]}
        self.decay = decay
        self.module = copy.deepcopy(core, dict(shared))  # what the memo holds is not copied
        self.shared = [name for name, weight in self.module.named_parameters() if id(weight) in shared]
        self._dense: list[Tensor] = [*split_parameters(self.module)[0]]
        self.register_buffer("n_averaged", torch.tensor(0))  # stays on the CPU, where reading it waits for nothing
        self.register_state_dict_post_hook(_leave_shared_out)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_put_shared_in)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self, weights: Sequence[Tensor]) -> None:
        """Adds the trained core's dense weights, in the order of `split_parameters`."""
        torch._foreach_lerp_(self._dense, list(weights), 1 - self.decay if self.n_averaged else 1.0)
        self.n_averaged += 1


def _leave_shared_out(average: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    assert isinstance(average, WeightAverage)
    for name in average.shared:
        del state[f"{prefix}module.{name}"]


def _put_shared_in(average: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    assert isinstance(average, WeightAverage)
    for name in average.shared:
        state[f"{prefix}module.{name}"] = average.module.get_parameter(name).detach()
