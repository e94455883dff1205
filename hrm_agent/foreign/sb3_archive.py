"""Reads the zip of a Stable-Baselines3 model: its JSON and its weights. Nothing in it is unpickled.

The member ``data`` is JSON, in which an object that is not JSON is a pickle in base64 beside its plain attributes as
text: the attributes are read, the pickles stay text. `hrm_agent.foreign.torch_file` reads ``policy.pth``.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from hrm_agent.foreign.torch_file import load_tensors
from hrm_env.checks import reason
from hrm_env.files import open_regular
from hrm_env.files.archives import open_archive
from hrm_env.sources.json_file import parse_json

_MOST = 64 * 2**20  # bytes of one member
_MEMBERS = ("data", "policy.pth")


def read_sb3(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Returns the JSON of a model, with its pickles as text, and the weights of its policy by name, finite float64.

    Raises:
        ValueError: The file is missing, damaged or hostile; the message names it.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            with open_archive(file, most=size) as archive:
                missing = next((name for name in _MEMBERS if name not in archive.NameToInfo), None)
                if missing is not None:
                    raise ValueError(f"no member {missing}")
                if max(archive.getinfo(name).file_size for name in _MEMBERS) > _MOST:
                    raise ValueError("a member larger than 64 MiB")
                text, weights = (archive.read(name) for name in _MEMBERS)
        data = parse_json(text, size)
        if not isinstance(data, dict):
            raise ValueError("other contents")
        return data, {name: _plain(tensor) for name, tensor in load_tensors(io.BytesIO(weights)).items()}
    except FileNotFoundError:
        raise ValueError(f"{path}: expected a model that SB3 saved, found no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        found = f"a file that is damaged or holds more than tensors ({reason(error)})"
        raise ValueError(f"{path}: expected a model that SB3 saved, found {found}") from error


def _plain(tensor: Tensor) -> Tensor:
    """Returns the tensor in float64.

    Raises:
        ValueError: Its numbers are not finite, or no floating-point numbers.
    """
    if not tensor.is_floating_point() or not tensor.isfinite().all():
        raise ValueError("something that is no tensor of numbers, or not finite")
    return tensor.double()
