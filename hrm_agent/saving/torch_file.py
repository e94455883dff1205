"""Tensors by name out of what `torch.save` wrote. No code of a file is run, and no tensor is larger than the file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import torch
from torch import Tensor


def load_tensors(file: BinaryIO) -> dict[str, Tensor]:
    """Reads ``torch.save({name: tensor, ...})``, with ``weights_only`` and within the memory that the file takes.

    Without that limit a few bytes are enough to ask for any amount: by a compressed archive, or by a tensor whose
    elements all lie at one place.

    Args:
        file: At any position.

    Returns:
        Dense tensors on the CPU.

    Raises:
        ValueError: The file unpacks to more than it holds, or holds more than tensors by name.
        Exception: Whatever torch stumbles over in a damaged file.
    """
    size = file.seek(0, os.SEEK_END)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
            if packed or sum(member.file_size for member in members) > size:
                raise ValueError("members that unpack to more than the file")
    file.seek(0)
    found = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(found, Mapping):
        raise ValueError("other contents")
    for tensor in found.values():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise ValueError("something that is no tensor of numbers")
    if sum(tensor.numel() * tensor.element_size() for tensor in found.values()) > size:
        raise ValueError("tensors that are too large for the file")
    return {str(name): tensor.detach() for name, tensor in found.items()}
