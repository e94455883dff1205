"""The greedy network of a model that Stable-Baselines3 saved, read without unpickling anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hrm_agent.foreign.sb3_archive import read_sb3
from hrm_agent.halting.features import check_features
from hrm_env.checks import shortened

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "<class 'torch.nn.modules.activation.Tanh'>": torch.tanh,
    "<class 'torch.nn.modules.activation.ReLU'>": torch.relu,
}
_HARMLESS = {"net_arch", "activation_fn", "optimizer_class", "optimizer_kwargs", "ortho_init", ":type:", ":serialized:"}
"""Keys of ``policy_kwargs`` that are read or do not change the network's output."""


class Network(NamedTuple):
    """An MLP with two or three outputs: continue, halt and, if it was trained with ``abstain=True``, abstain.

    Attributes:
        features: Names of the input features.
        layers: Weight ``(out, in)`` and bias ``(out,)`` of each layer, float64.
        activation: Activation between the layers.
    """

    features: tuple[str, ...]
    layers: tuple[tuple[Tensor, Tensor], ...]
    activation: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Family:
    """Names of the weights in one of SB3's policies.

    Attributes:
        module: Module of the policy class.
        layer: Pattern of the layers' names, whose group is the number of a hidden layer.
        critic: Pattern of the names of weights that greedy actions do not use.
        activation: The default activation.
    """

    module: str
    layer: str
    critic: str
    activation: str


_FAMILIES = (
    _Family(  # PPO, A2C
        "stable_baselines3.common.policies",
        r"(?:mlp_extractor\.policy_net\.(\d+)|action_net)",
        r"(?:mlp_extractor\.value_net\.\d+|value_net)",
        "<class 'torch.nn.modules.activation.Tanh'>",
    ),
    _Family(  # DQN
        "stable_baselines3.dqn.policies",
        r"q_net\.q_net\.(\d+)",
        r"q_net_target\.q_net\.\d+",
        "<class 'torch.nn.modules.activation.ReLU'>",
    ),
)


def read_network(path: str) -> Network:
    """Reads the greedy network of PPO, A2C or DQN with ``MlpPolicy``, trained on HRM-Halting-v0.

    Raises:
        ValueError: The file is missing, damaged or hostile, or holds another kind of policy.
    """
    data, weights = read_sb3(Path(path))
    policy = data.get("policy_class")
    module = policy.get("__module__") if isinstance(policy, dict) else None
    family = next((family for family in _FAMILIES if family.module == module), None)
    if family is None:
        raise ValueError(f"{path}: expected the MlpPolicy of SB3's PPO, A2C or DQN, found another policy")
    space = data.get("observation_space")
    features = space.get("features") if isinstance(space, dict) else None
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise ValueError(f"{path}: expected a model trained on HRM-Halting-v0, found one that names no features")
    try:
        names = check_features(features)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    layers = _layers(path, family, weights)
    _check_sizes(path, layers, names)
    return Network(names, layers, _activation(path, family, data.get("policy_kwargs")))


def _layers(path: str, family: _Family, weights: Mapping[str, Tensor]) -> tuple[tuple[Tensor, Tensor], ...]:
    """Returns the layers of the acting network, in order."""
    numbered: dict[float, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        layer, _, kind = name.rpartition(".")
        found = re.fullmatch(family.layer, layer)
        if kind not in ("weight", "bias") or not (found or re.fullmatch(family.critic, layer)):
            raise ValueError(f"{path}: expected the weights of an MlpPolicy, found {shortened(name)}")
        if found:
            numbered.setdefault(float(found[1] or "inf"), {})[kind] = tensor
    layers = [numbered[number] for number in sorted(numbered)]
    missing = next((kind for layer in layers for kind in ("weight", "bias") if kind not in layer), None)
    if missing is not None:
        raise ValueError(f"{path}: expected a weight and a bias in every layer, found no {missing}")
    return tuple((layer["weight"], layer["bias"]) for layer in layers)


def _check_sizes(path: str, layers: tuple[tuple[Tensor, Tensor], ...], features: tuple[str, ...]) -> None:
    shapes = [tuple(weight.shape) for weight, _ in layers]
    fits = all(len(shape) == 2 for shape in shapes) and all(bias.shape == weight.shape[:1] for weight, bias in layers)
    if not fits or any(one[0] != two[1] for one, two in pairwise(shapes)):
        raise ValueError(f"{path}: expected layers that follow each other, found the shapes {shortened(shapes)}")
    if not shapes or shapes[-1][0] not in (2, 3):
        wanted = "expected two or three actions, continue, halt and abstain"
        raise ValueError(f"{path}: {wanted}, found the shapes {shortened(shapes)}")
    width = shapes[0][1]
    if width != len(features) and not ("state" in features and width > len(features)):
        raise ValueError(f"{path}: expected {len(features)} inputs for its features, found {width}")


def _activation(path: str, family: _Family, options: Any) -> Callable[[Tensor], Tensor]:
    """Returns the activation that the options name, or the default."""
    options = {} if options is None else options
    if not isinstance(options, dict) or not options.keys() <= _HARMLESS:
        found = sorted(options.keys() - _HARMLESS) if isinstance(options, dict) else options
        raise ValueError(f"{path}: expected no policy_kwargs but net_arch and activation_fn, found {shortened(found)}")
    name = options.get("activation_fn", family.activation)
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise ValueError(f"{path}: expected the activation Tanh or ReLU, found {shortened(name)}")
    return _ACTIVATIONS[name]
