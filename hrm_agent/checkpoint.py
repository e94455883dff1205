"""Checkpoints: a zip of JSON and safetensors. Nothing is unpickled."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from hrm_env.files import atomic_write

FORMAT = 1
_CONFIG = "config.json"
_DAMAGED = (zipfile.BadZipFile, KeyError, json.JSONDecodeError, UnicodeDecodeError, SafetensorError, OSError, EOFError)


class CheckpointError(ValueError):
    """A checkpoint is damaged, foreign, or does not fit; the message names the file."""


def checkpoint_path(path: str | Path) -> Path:
    """The file of a checkpoint that is named with or without ``.zip``, or by the folder of its run (``model.zip``)."""
    path = Path(path)
    if path.is_dir():
        return path / "model.zip"
    return path if path.suffix == ".zip" else path.with_name(path.name + ".zip")


def write_checkpoint(path: str | Path, config: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Writes a checkpoint under a temporary name and renames it.

    Args:
        path: The file.
        config: What JSON can hold.
        tensors: Groups of named tensors, such as ``{"policy": state_dict}``.
    """
    with atomic_write(Path(path)) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_CONFIG, json.dumps({"format": FORMAT, **config}, indent=2))
        for group, named in tensors.items():
            plain = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
            archive.writestr(f"{group}.safetensors", save_safetensors(plain))


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Reads a checkpoint: its config and its groups of tensors, on the CPU.

    Raises:
        CheckpointError: The file is missing, truncated, damaged or not one of ours.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read(_CONFIG))
            groups = _groups(path, archive.namelist())
            tensors = {group: load_safetensors(archive.read(f"{group}.safetensors")) for group in groups}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: expected a checkpoint, found no such file") from error
    except _DAMAGED as error:
        raise CheckpointError(f"{path}: expected a complete checkpoint, found a damaged file ({error})") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise CheckpointError(f"{path}: expected checkpoint format {FORMAT}, found {found!r}")
    return config, tensors


def _groups(path: str | Path, members: Sequence[str]) -> list[str]:
    """The groups of tensors in an archive that holds nothing else but the config."""
    files = [member for member in members if member != _CONFIG]
    stranger = next((file for file in files if not re.fullmatch(r"\w+\.safetensors", file, re.ASCII)), None)
    if stranger is not None or len(set(members)) < len(members):
        found = "a name twice" if stranger is None else repr(stranger)
        raise CheckpointError(f"{path}: expected {_CONFIG} and NAME.safetensors alone, found {found}")
    return [file.removesuffix(".safetensors") for file in files]


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The optimizers' state as flat tensors, named ``optimizer.parameter.entry``."""
    return {
        f"{number}.{parameter}.{name}": torch.as_tensor(value)
        for number, optimizer in enumerate(optimizers)
        for parameter, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
    }


def restore_optimizers(optimizers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Puts `optimizer_tensors` back."""
    states: list[dict[int, dict[str, Any]]] = [{} for _ in optimizers]
    for key, tensor in tensors.items():
        number, parameter, name = key.split(".")
        value = int(tensor) if tensor.dtype == torch.int64 and tensor.dim() == 0 else tensor
        states[int(number)].setdefault(int(parameter), {})[name] = value
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
