"""Checkpoints of the reference code (sapientinc/HRM) as weights of our core and back. No code of a file is run.

An agent out of a reference checkpoint, with the sizes that its tensors tell::

    weights = read_reference("checkpoints/step_52080")
    model = HRM("HRMPolicy", "HRM-Sudoku-v0", policy_kwargs=reference_config(weights) | {"num_heads": 8})
    model.policy.core.load_state_dict(weights)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from hrm_agent.checkpoint import CheckpointError
from hrm_agent.cores.core import PuzzleShape
from hrm_agent.cores.hrm import HRMConfig, HRMCore
from hrm_env.files import atomic_write

# parts of the reference code's names, and ours
_NAMES = {
    "H_level.layers": "h_module.blocks",
    "L_level.layers": "l_module.blocks",
    "self_attn.qkv_proj": "mixer.qkv",
    "self_attn.o_proj": "mixer.out",
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
_PREFIX = re.compile(r"^(_orig_mod\.)?(model\.)?(inner\.)?")  # of torch.compile, the loss head and the ACT wrapper


def from_reference_name(name: str) -> str:
    """Our name of a tensor of the reference code, with or without the prefixes of its wrappers."""
    name = _PREFIX.sub("", name)
    for theirs, ours in _NAMES.items():
        name = name.replace(theirs, ours)
    return name


def to_reference_name(name: str) -> str:
    """The reference code's name of a tensor of ours, without prefix."""
    for theirs, ours in _NAMES.items():
        name = name.replace(ours, theirs)
    return name


def read_reference(path: str | Path) -> dict[str, Tensor]:
    """Reads what the reference code saved: ``torch.save(model.state_dict())``, compiled or not.

    A puzzle embedding that does not fill whole positions is filled up with zeros, as the reference code does at every
    step.

    Args:
        path: That file; or the same tensors as ``.safetensors``, or as ``.npz`` with names below ``weights/``.

    Returns:
        The state dict of our core, float32 on the CPU.

    Raises:
        CheckpointError: The file is missing or no such checkpoint; a tensor is missing, unknown, of a wrong shape or
            not finite.
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
        _check_tensor(f"{path}: {to_reference_name(name)}", weights.get(name), shapes.get(name))
    return weights


def write_reference(core: HRMCore, path: str | Path, prefix: str = "_orig_mod.model.") -> None:
    """Writes a core as the reference code does; its ``load_state_dict`` takes the file.

    Args:
        core: A core with attention; the reference code has no other.
        path: The file.
        prefix: Stands before ``inner.``; the default is that of a compiled model with its loss head.

    Raises:
        ValueError: The core mixes positions with an MLP.
    """
    if core.config.mixer != "attention":
        raise ValueError(f"write_reference: expected a core with mixer 'attention', found {core.config.mixer!r}")
    weights = {name: tensor.cpu() for name, tensor in core.state_dict().items()}
    for name in ("start_h", "start_l"):  # the reference code keeps these two in the precision of its activations
        weights[name] = weights[name].to(core.activation_dtype)
    with atomic_write(Path(path)) as file:
        torch.save({f"{prefix}inner.{to_reference_name(name)}": tensor for name, tensor in weights.items()}, file)


def reference_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Those options of `HRMConfig` that the weights of `read_reference` tell; heads and cycles are not among them.

    Of ``expansion`` the weights tell the width it leads to alone: it is the largest number that leads to this width.
    """
    dim, table = weights["start_h"].shape[0], weights.get("puzzle_embedding.weight")
    return {
        "hidden_size": dim,
        "expansion": 1.5 * weights["h_module.blocks.0.feed_forward.down.weight"].shape[1] / dim,
        "h_layers": len({name.split(".")[2] for name in weights if name.startswith("h_module.blocks.")}),
        "l_layers": len({name.split(".")[2] for name in weights if name.startswith("l_module.blocks.")}),
        "positions": "learned" if "position_embedding" in weights else "rope",
        "puzzle_positions": 0 if table is None else -(-table.shape[1] // dim),
    }


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, under the names they have there."""
    try:
        return {name: tensor.detach().float() for name, tensor in _READERS.get(path.suffix, _read_torch)(path).items()}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: expected a checkpoint of the reference code, found no such file") from error
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        raise CheckpointError(
            f"{path}: expected a checkpoint of the reference code, found a file that is damaged or holds more than "
            f"tensors by name ({type(error).__name__})"
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    return cast(dict[str, Tensor], torch.load(path, map_location="cpu", weights_only=True))


def _read_npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as file:
        names = [name for name in file.files if name.startswith("weights/")]
        return {name.removeprefix("weights/"): torch.from_numpy(file[name]) for name in names}


_READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {".safetensors": load_file, ".npz": _read_npz}


def _expected_shapes(path: str | Path, weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """The shapes of all tensors of a core of the sizes that these few tell."""
    try:
        config = HRMConfig(**reference_config(weights), num_heads=1)
        vocab_size, table = len(weights["token_embedding"]), weights.get("puzzle_embedding.weight")
        learned = weights.get("position_embedding")
        seq_len = 1 if learned is None else len(learned) - config.puzzle_positions
        with torch.device("meta"):
            core = HRMCore(PuzzleShape(seq_len, vocab_size, 1 if table is None else len(table)), config)
    except KeyError as error:
        missing = to_reference_name(error.args[0])
        raise CheckpointError(f"{path}: {missing}: expected a tensor of the reference code, found none") from error
    except (IndexError, TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(f"{path}: expected the shapes of the reference code, found impossible ones") from error
    return {name: tensor.shape for name, tensor in core.state_dict().items()}


def _check_tensor(where: str, tensor: Tensor | None, shape: torch.Size | None) -> None:
    if shape is None:
        raise CheckpointError(f"{where}: expected a name of the reference code, found an unknown one")
    if tensor is None:
        raise CheckpointError(f"{where}: expected a tensor of shape {tuple(shape)}, found none")
    if tensor.shape != shape:
        raise CheckpointError(f"{where}: expected shape {tuple(shape)}, found {tuple(tensor.shape)}")
    if not tensor.isfinite().all():
        raise CheckpointError(f"{where}: expected finite numbers, found others")
