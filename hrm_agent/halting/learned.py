"""A halting policy that an RL algorithm of Stable-Baselines3 has learned on HRM-Halting-v0."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.halting.features import observe, signals_of
from hrm_agent.halting.policy import HaltContext, HaltingPolicy
from hrm_agent.halting.sb3_file import read_network


class Learned(HaltingPolicy):
    """Halt where the saved network of PPO, A2C or DQN prefers it to continuing; "sb3:path.zip".

    A network of three actions abstains where it stops and prefers this to an answer. At the budget, where it would
    continue, it hands in its answer.

    The file is not unpickled; see `hrm_agent.halting.sb3_file`. The network runs in float64, so that its decisions do
    not depend on the batch shape. They equal those of SB3's float32 network, except for ties within its rounding.
    """

    rule = "the network of {path} prefers to"
    parameters = (str,)
    sweep = ()

    def __init__(self, path: str) -> None:
        self.path, self.network = path, read_network(path)
        self.needs = signals_of(self.network.features)
        self.silent: Tensor | bool = torch.zeros(0, dtype=torch.bool) if self._actions == 3 else False

    @property
    def _actions(self) -> int:
        return len(self.network.layers[-1][1])

    def reset(self, mask: Tensor) -> None:
        """Moves the network to the device of the rows; the policy has no memory."""
        layers = tuple((weight.to(mask.device), bias.to(mask.device)) for weight, bias in self.network.layers)
        self.network = self.network._replace(layers=layers)

    def decide(self, context: HaltContext) -> Tensor:
        """Returns which rows halt now, ``(B,)`` bool."""
        _, layers, activation = self.network
        values = observe(context, self.network.features).double()
        if values.shape[1] != layers[0][0].shape[1]:
            expected = layers[0][0].shape[1]
            raise ValueError(f"{self.path}: expected features of {expected} numbers, found {values.shape[1]}")
        for number, (weight, bias) in enumerate(layers):
            values = (activation(values) if number else values) @ weight.T + bias
        halt = (values[:, 1:] > values[:, :1]).any(1)
        if self._actions == 3:
            self.silent = halt & (values[:, 2] > values[:, 1])
        return halt

    def abstains(self) -> Tensor | bool:
        """Returns which rows hand in nothing if they stop now, ``(B,)`` bool; False for a network of two actions."""
        return self.silent
