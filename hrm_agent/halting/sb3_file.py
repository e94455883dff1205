"""The greedy network of a model that Stable-Baselines3 saved, read without unpickling anything.

Such a file is a zip. Its ``data`` is JSON in which whatever is not JSON is a pickle in base64, with the plain
attributes of the object beside it as text: those are read, the pickles are not. ``policy.pth`` is read by
`hrm_agent.saving.torch_file`, which makes tensors and nothing else.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hrm_agent.halting.features import check_features
from hrm_agent.saving.torch_file import load_tensors

_MAX_BYTES = 64 * 2**20  # of one member
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "<class 'torch.nn.modules.activation.Tanh'>": torch.tanh,
    "<class 'torch.nn.modules.activation.ReLU'>": torch.relu,
}
_HARMLESS = {"net_arch", "activation_fn", "optimizer_class", "optimizer_kwargs", "ortho_init", ":type:", ":serialized:"}
"""Keys of ``policy_kwargs`` that do not change how a network is computed, or that are read."""


class Network(NamedTuple):
    """An MLP with two outputs: one for continue, one for halt.

    Attributes:
        features: Names of its inputs.
        layers: Weight ``(out, in)`` and bias ``(out,)`` of each layer, float64.
        activation: Between the layers.
    """

    features: tuple[str, ...]
    layers: tuple[tuple[Tensor, Tensor], ...]
    activation: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Family:
    """How one of SB3's policies names its weights.

    Attributes:
        module: Where its class lives.
        layer: The names of its layers, in which the group is the number of a layer among the hidden ones.
        critic: The names of what its greedy actions do not need.
        activation: The default.
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
    """The greedy network of PPO, A2C or DQN with ``MlpPolicy``, trained on HRM-Halting-v0.

    Raises:
        ValueError: The file is missing, damaged or hostile, or holds another kind of policy.
    """
    data, weights = _read(Path(path))
    try:
        family = next(family for family in _FAMILIES if family.module == data["policy_class"]["__module__"])
    except (KeyError, TypeError, StopIteration):
        raise ValueError(f"{path}: expected the MlpPolicy of SB3's PPO, A2C or DQN, found another policy") from None
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


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The file's JSON, its pickles left as text, and its weights by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            if max(archive.getinfo(name).file_size for name in ("data", "policy.pth")) > _MAX_BYTES:
                raise ValueError("a member larger than 64 MiB")
            data, weights = archive.read("data"), archive.read("policy.pth")
        parsed = json.loads(data)
        if not isinstance(parsed, dict):
            raise ValueError("other contents")
        return parsed, {name: _plain(tensor) for name, tensor in load_tensors(io.BytesIO(weights)).items()}
    except FileNotFoundError:
        raise ValueError(f"{path}: expected a model that SB3 saved, found no such file") from None
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        raise ValueError(
            f"{path}: expected a model that SB3 saved, found a file that is damaged or holds more than tensors "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'})"
        ) from error


def _plain(tensor: Tensor) -> Tensor:
    """The tensor in float64, if it is one of finite numbers."""
    if not tensor.is_floating_point() or not tensor.isfinite().all():
        raise ValueError("something that is no tensor of numbers, or not finite")
    return tensor.double()


def _layers(path: str, family: _Family, weights: Mapping[str, Tensor]) -> tuple[tuple[Tensor, Tensor], ...]:
    """The layers of the network that chooses, in order."""
    numbered: dict[float, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        layer, _, kind = name.rpartition(".")
        found = re.fullmatch(family.layer, layer)
        if kind not in ("weight", "bias") or not (found or re.fullmatch(family.critic, layer)):
            raise ValueError(f"{path}: expected the weights of an MlpPolicy, found {name!r}")
        if found:
            numbered.setdefault(float(found[1] or "inf"), {})[kind] = tensor
    try:
        return tuple((numbered[number]["weight"], numbered[number]["bias"]) for number in sorted(numbered))
    except KeyError as error:
        raise ValueError(f"{path}: expected a weight and a bias in every layer, found no {error.args[0]}") from None


def _check_sizes(path: str, layers: tuple[tuple[Tensor, Tensor], ...], features: tuple[str, ...]) -> None:
    shapes = [tuple(weight.shape) for weight, _ in layers]
    fits = all(len(shape) == 2 for shape in shapes) and all(bias.shape == weight.shape[:1] for weight, bias in layers)
    if not fits or any(one[0] != two[1] for one, two in pairwise(shapes)):
        raise ValueError(f"{path}: expected layers that follow each other, found the shapes {shapes}")
    if not shapes or shapes[-1][0] != 2:
        raise ValueError(f"{path}: expected two actions, continue and halt, found the shapes {shapes}")
    width = shapes[0][1]
    if width != len(features) and not ("state" in features and width > len(features)):
        raise ValueError(f"{path}: expected {len(features)} inputs for its features, found {width}")


def _activation(path: str, family: _Family, options: Any) -> Callable[[Tensor], Tensor]:
    """The function between the layers: the option's, as text, or the default."""
    options = {} if options is None else options
    if not isinstance(options, dict) or not options.keys() <= _HARMLESS:
        found = sorted(options.keys() - _HARMLESS) if isinstance(options, dict) else options
        raise ValueError(f"{path}: expected no policy_kwargs but net_arch and activation_fn, found {found}")
    name = options.get("activation_fn", family.activation)
    if name not in _ACTIVATIONS:
        raise ValueError(f"{path}: expected the activation Tanh or ReLU, found {name}")
    return _ACTIVATIONS[name]
