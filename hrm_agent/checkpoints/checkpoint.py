"""Checkpoints: a zip of JSON and safetensors, sealed with a checksum. Nothing is unpickled.

    config.json           values that JSON can hold, and the format
    GROUP.safetensors     named tensors, such as those of the policy

No member is compressed, so that none can unpack to more than the file holds. The archive's comment is the SHA-256, in
hexadecimal, of every byte before it: no bit of the file can change unnoticed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import textwrap
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

import hrm_env
from hrm_agent.errors import CheckpointError, DamagedCheckpointError
from hrm_env.checks import shortened
from hrm_env.files import atomic_write, open_regular

FORMAT = 2
_CONFIG = "config.json"
_SEAL = 2 * hashlib.sha256().digest_size
_BUFFER = 1 << 20  # bytes that are hashed at a time
_LONGEST_CONFIG, _DEEPEST_CONFIG = 1 << 26, 100
_LONGEST_END = (1 << 16) + 22  # bytes at the end of a zip: the longest comment and the record before it
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, EOFError, OverflowError, SafetensorError, ValueError)


def write_checkpoint(
    path: str | Path | BinaryIO, config: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Writes a checkpoint under a temporary name and renames it; equal contents give equal files.

    Args:
        path: The file, or a buffer, which is written to at its position.
        config: Values that JSON can hold.
        tensors: Groups of named tensors, such as ``{"policy": state_dict}``.

    Raises:
        OSError: The file cannot be written; an older one stays as it was.
    """
    if isinstance(path, str | Path):
        with atomic_write(Path(path)) as file:
            _write(file, config, tensors)
    else:
        memory = io.BytesIO()
        _write(memory, config, tensors)
        path.write(memory.getbuffer())


def _write(file: BinaryIO, config: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Writes to an empty file, which is read again for the checksum."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = bytes(_SEAL)  # room for the checksum
        archive.writestr(zipfile.ZipInfo(_CONFIG), json.dumps({**config, **_written_by()}, indent=2))
        for group, named in tensors.items():
            plain = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
            archive.writestr(zipfile.ZipInfo(f"{group}.safetensors"), save_safetensors(plain))
    file.write(_seal(file))


def _written_by() -> dict[str, Any]:
    """Returns the format, and the versions of the writer for people to read."""
    return {"format": FORMAT, "hrm_gym": hrm_env.__version__, "torch": torch.__version__}


def read_checkpoint(path: str | Path | BinaryIO) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Reads a checkpoint: its config and its groups of tensors, on the CPU.

    Args:
        path: The file, or a buffer that holds nothing else; it is read from its start, whatever its position.

    Raises:
        CheckpointError: The file is missing, truncated, damaged, hostile or not one of ours.
    """
    try:
        opened = open_regular(path) if isinstance(path, str | Path) else nullcontext(path)
        with opened as file, _archive(file) as archive:
            groups = _groups(path, archive, file.seek(0, os.SEEK_END))
            if archive.comment and archive.comment != _seal(file):
                raise ValueError("its checksum is another")
            config = _config(archive.read(_CONFIG))
            _check_format(path, config)
            if not archive.comment:
                raise ValueError("its checksum is gone")
            return config, {group: _tensors(archive.read(f"{group}.safetensors")) for group in groups}
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: expected a checkpoint, found no such file") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"{path}: expected a checkpoint, found a file that cannot be read ({reason})") from error
    except _DAMAGED as error:
        reason = textwrap.shorten(str(error), 200)
        raise DamagedCheckpointError(
            f"{path}: expected a complete checkpoint, found a damaged file ({reason})"
        ) from error


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    """Opens the zip in a file and reads its end first: `zipfile` would take an error of the disk there for damage."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_END))
    file.read()
    return zipfile.ZipFile(file)


def _config(content: bytes) -> Any:
    try:
        config = json.loads(content)
    except RecursionError as error:
        raise ValueError("its config is too deep") from error
    level = [config]
    for _ in range(_DEEPEST_CONFIG):
        level = [inner for value in level for inner in _within(value)]
    if level:
        raise ValueError("its config is too deep")
    return config


def _within(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _tensors(content: bytes) -> dict[str, Tensor]:
    """Returns the tensors of a group.

    Raises:
        SafetensorError: They are damaged.
        ValueError: Torch has no such type, or a bool is neither 0 nor 1, with which torch computes wrongly.
    """
    try:
        tensors = load_safetensors(content)
    except KeyError as error:  # safetensors raises it for a type that torch lacks
        raise ValueError(f"torch has no numbers of type {error}") from error
    for name, tensor in tensors.items():
        if tensor.dtype == torch.bool and (tensor.view(torch.uint8) > 1).any():
            raise ValueError(f"{name!r} holds other values than true and false")
    return tensors


def _seal(file: BinaryIO) -> bytes:
    """Returns the SHA-256, in hexadecimal, of all bytes before the place of the checksum, and leaves the file there."""
    left = file.seek(-_SEAL, os.SEEK_END)
    file.seek(0)
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_BUFFER))
    while left and (count := file.readinto(buffer[:left])):  # type: ignore[attr-defined]  # typeshed's BinaryIO lacks it
        digest.update(buffer[:count])
        left -= count
    return digest.hexdigest().encode()


def _groups(path: str | Path | BinaryIO, archive: zipfile.ZipFile, size: int) -> list[str]:
    """Returns the groups of tensors in an archive of ``size`` bytes that holds nothing else but the config."""
    members = archive.infolist()
    names = [member.filename for member in members]
    stranger = next((name for name in names if not re.fullmatch(r"config\.json|\w+\.safetensors", name, re.A)), None)
    if stranger is not None or len(set(names)) < len(names) or _CONFIG not in names:
        found = repr(stranger) if stranger else "a name twice" if _CONFIG in names else f"no {_CONFIG}"
        raise CheckpointError(f"{path}: expected {_CONFIG} and NAME.safetensors alone, found {found}")
    packed = next((member.filename for member in members if not _is_plain(member)), None)
    if packed is not None:
        raise CheckpointError(f"{path}: expected plain files, not compressed, found another kind of {packed!r}")
    if sum(member.file_size for member in members) > size:
        raise CheckpointError(f"{path}: expected members within its {size} bytes, found larger ones")
    if archive.getinfo(_CONFIG).file_size > _LONGEST_CONFIG:
        raise CheckpointError(f"{path}: expected a {_CONFIG} of at most {_LONGEST_CONFIG:,} bytes, found a larger one")
    return [name.removesuffix(".safetensors") for name in names if name != _CONFIG]


def _is_plain(member: zipfile.ZipInfo) -> bool:
    """Returns whether a member is a file, neither compressed nor encrypted, and of the size that it states."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
    return stored and not member.flag_bits and kind in (0, stat.S_IFREG)


def _check_format(path: str | Path | BinaryIO, config: Any) -> None:
    found = config.get("format") if isinstance(config, dict) else type(config).__name__
    if type(found) is not int or found != FORMAT:
        age = f" of {'a newer' if found > FORMAT else 'an older'} version" if type(found) is int else ""
        raise CheckpointError(f"{path}: expected checkpoint format {FORMAT}, found {shortened(found)}{age}")
