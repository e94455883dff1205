"""Checkpoints of the reference codes (sapientinc/HRM, TinyRecursiveModels) as our weights and back; no code is run.

An agent from a reference checkpoint, with the sizes that its tensors tell::

    weights = read_reference("checkpoints/step_52080")
    model = HRM("HRMPolicy", "HRM-Sudoku-v0", policy_kwargs=reference_config(weights) | {"num_heads": 8})
    model.policy.core.load_state_dict(weights)
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hrm_agent.config import HRMConfig, TRMConfig
from hrm_agent.cores import PuzzleShape, ReasoningCore, make_core
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.errors import CheckpointError
from hrm_agent.foreign.torch_file import load_tensors
from hrm_env.checks import reason, shortened
from hrm_env.files import atomic_write, open_regular
from hrm_env.sources.npz_file import read_npz

# parts of the reference codes' names, and ours; TinyRecursiveModels has no H_level, sapientinc/HRM no mlp_t
_NAMES = {
    "H_level.layers": "h_module.blocks",
    "L_level.layers": "l_module.blocks",
    "self_attn.qkv_proj": "mixer.qkv",
    "self_attn.o_proj": "mixer.out",
    "mlp_t.gate_up_proj": "mixer.mix.gate_up",
    "mlp_t.down_proj": "mixer.mix.down",
    "mlp.gate_up_proj": "feed_forward.gate_up",
    "mlp.down_proj": "feed_forward.down",
    "embed_tokens.embedding_weight": "token_embedding",
    "embed_pos.embedding_weight": "position_embedding",
    "puzzle_emb.weights": "puzzle_embedding.weight",
    "lm_head": "answer_head",
    "q_head.weight": "q_weight",
    "q_head.bias": "q_bias",
    "H_init": "start_h",
    "L_init": "start_l",
}
_MIXER = "l_module.blocks.0.mixer.mix.down.weight"
_FEED_FORWARD = "l_module.blocks.0.feed_forward.down.weight"
# the tensors that tell the sizes, and their dimensions; every core has the first three
_TELLING = {
    "start_h": 1,
    "token_embedding": 2,
    _FEED_FORWARD: 2,
    "puzzle_embedding.weight": 2,
    "position_embedding": 2,
    _MIXER: 2,
}
_MOST_UNPACKED = 50  # times the size of an .npz file; trained weights can hardly be compressed
_PREFIX = re.compile(r"^(_orig_mod\.)?(model\.)?(inner\.)?")  # of torch.compile, the loss head and the ACT wrapper


def from_reference_name(name: str) -> str:
    """Returns our name of a tensor of the reference code, with or without the prefixes of its wrappers."""
    name = _PREFIX.sub("", name)
    for theirs, ours in _NAMES.items():
        name = name.replace(theirs, ours)
    return name


def to_reference_name(name: str) -> str:
    """Returns the reference code's name of a tensor of ours, without prefix."""
    for theirs, ours in _NAMES.items():
        name = name.replace(ours, theirs)
    return name


def read_reference(path: str | Path) -> dict[str, Tensor]:
    """Reads what the reference code saved: ``torch.save(model.state_dict())``, compiled or not.

    A puzzle embedding that does not fill its positions is padded with zeros, as the reference code does in every step.

    Args:
        path: That file, or the same tensors as ``.safetensors``, or as ``.npz`` with names below ``weights/``.

    Returns:
        The state dict of our core, float32 on the CPU.

    Raises:
        CheckpointError: The file is missing or is no such checkpoint; or a tensor is missing, unknown, of a wrong
            shape or not finite.
    """
    found = _read_tensors(Path(path))
    weights = {from_reference_name(name): tensor for name, tensor in found.items()}
    if len(weights) < len(found):
        raise CheckpointError(f"{path}: expected every tensor once, found names that differ in their prefix alone")
    shapes = _expected_shapes(path, weights)
    if "puzzle_embedding.weight" in weights:
        table = weights["puzzle_embedding.weight"]
        weights["puzzle_embedding.weight"] = F.pad(table, (0, shapes["puzzle_embedding.weight"][1] - table.shape[1]))
    for name in sorted(weights.keys() | shapes.keys()):
        _check_tensor(f"{path}: {_shown(name)}", weights.get(name), shapes.get(name))
    return weights


def write_reference(core: ReasoningCore, path: str | Path, prefix: str = "_orig_mod.model.") -> None:
    """Writes a core as the reference code does; its ``load_state_dict`` takes the file.

    Args:
        core: A core with two networks and attention (sapientinc/HRM), or with one network (TinyRecursiveModels).
        path: The file.
        prefix: Prefix before ``inner.``; the default is that of a compiled model with its loss head.

    Raises:
        ValueError: Neither code has such a core.
    """
    if not isinstance(core, HRMCore):
        raise ValueError(f"write_reference: expected a core of HRM or TRM, found {type(core).__name__}")
    mixer = core.config.mixer
    if mixer not in ("attention", "mlp") or (mixer == "mlp" and core.config.h_layers):
        raise ValueError(f"write_reference: expected a core with mixer 'attention', found {mixer!r}")
    if mixer == "mlp":
        for name in ("mixer_multiple", "mixer_norm"):
            expected, found = getattr(TRMConfig, name), getattr(core.config, name)
            if found != expected:
                raise ValueError(
                    f"write_reference: expected {name} {expected!r} of TinyRecursiveModels, found {found!r}"
                )
    weights = {name: tensor.cpu() for name, tensor in core.state_dict().items()}
    for name in ("start_h", "start_l"):  # the reference code keeps these two in the precision of its activations
        weights[name] = weights[name].to(core.activation_dtype)
    with atomic_write(Path(path)) as file:
        torch.save({f"{prefix}inner.{to_reference_name(name)}": tensor for name, tensor in weights.items()}, file)


def reference_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Returns the core and those of its options that the weights of `read_reference` tell.

    Heads and cycles are not among them, nor are the puzzle positions of TRM, which have their default where there is a
    puzzle embedding. The weights tell the widths that ``expansion`` leads to; the largest such number is returned.
    """
    dim, table = weights["start_h"].shape[0], weights.get("puzzle_embedding.weight")
    layers = {
        f"{module}_layers": len({name.split(".")[2] for name in weights if name.startswith(f"{module}_module.blocks.")})
        for module in "hl"
    }
    mix = weights.get(_MIXER)
    embedded = 0 if table is None else -(-table.shape[1] // dim)
    downs = [weights[_FEED_FORWARD], *([] if mix is None else [mix])]
    config = {
        "hidden_size": dim,
        "expansion": min(1.5 * down.shape[1] / down.shape[0] for down in downs),
        **layers,
        "mixer": "attention" if mix is None else "mlp",
        "positions": "learned" if "position_embedding" in weights else "rope",
    }
    if layers["h_layers"]:
        return {"core": HRMConfig.name, **config, "puzzle_positions": embedded}
    positions = max(embedded, TRMConfig.puzzle_positions) if embedded else 0
    return {"core": TRMConfig.name, **config, "puzzle_positions": positions, "embedded_positions": embedded}


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Returns all tensors of a file, by the names they have there."""
    try:
        return {name: tensor.float() for name, tensor in _READERS.get(path.suffix, _read_torch)(path).items()}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: expected a checkpoint of the reference code, found no such file") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint of the reference code, found a file that is damaged or holds more than "
            f"tensors by name ({reason(error)})"
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    with open_regular(path) as file:
        return load_tensors(file)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with open_regular(path):  # which `load_file` would not ask for
        return load_file(path)


def _read_npz(path: Path) -> dict[str, Tensor]:
    with open_regular(path) as file:
        most = _MOST_UNPACKED * os.fstat(file.fileno()).st_size
        arrays = read_npz(file, most, prefix="weights/")
    if any(array.dtype.kind == "U" for array in arrays.values()):
        raise ValueError("text")
    return {name.removeprefix("weights/"): torch.from_numpy(array) for name, array in arrays.items()}


_READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {".safetensors": _read_safetensors, ".npz": _read_npz}


def _expected_shapes(path: str | Path, weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Returns the shapes of all tensors of a core, whose sizes a few of them tell."""
    impossible = f"{path}: expected the shapes of the reference code, found impossible ones"
    for name in list(_TELLING)[:3]:
        if name not in weights:
            raise CheckpointError(f"{path}: {_shown(name)}: expected a tensor of the reference code, found none")
    if any(weights[name].dim() != _TELLING[name] or 0 in weights[name].shape for name in weights.keys() & _TELLING):
        raise CheckpointError(impossible)
    options = reference_config(weights)
    table = weights.get("puzzle_embedding.weight")
    by_position = weights.get("position_embedding", weights.get(_MIXER))
    seq_len = 1 if by_position is None else len(by_position) - options["puzzle_positions"]
    if seq_len < 1:
        raise CheckpointError(impossible)
    shape = PuzzleShape(seq_len, len(weights["token_embedding"]), 1 if table is None else len(table))
    try:
        with torch.device("meta"):
            core = make_core(shape, **options, num_heads=1)
    except ValueError as error:
        raise CheckpointError(f"{impossible} ({error})") from error
    return {name: tensor.shape for name, tensor in core.state_dict().items()}


def _shown(name: str) -> str:
    """Returns the reference code's name of a tensor of ours, as messages show it."""
    theirs = to_reference_name(name)
    return theirs if theirs.isprintable() and len(theirs) <= 80 else shortened(theirs)


def _check_tensor(where: str, tensor: Tensor | None, shape: torch.Size | None) -> None:
    if shape is None:
        raise CheckpointError(f"{where}: expected a name of the reference code, found an unknown one")
    if tensor is None:
        raise CheckpointError(f"{where}: expected a tensor of shape {tuple(shape)}, found none")
    if tensor.shape != shape:
        raise CheckpointError(f"{where}: expected shape {tuple(shape)}, found {tuple(tensor.shape)}")
    if not tensor.isfinite().all():
        raise CheckpointError(f"{where}: expected finite numbers, found others")
