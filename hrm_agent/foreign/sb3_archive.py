"""The zip that Stable-Baselines3 saves a model as: its JSON and its weights. Nothing in it is unpickled.

Its ``data`` is JSON in which whatever is not JSON is a pickle in base64, with the plain attributes of the object beside
it as text: those are read, the pickles stay text. ``policy.pth`` is read by `hrm_agent.foreign.torch_file`.
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
    """The JSON of a model, its pickles left as text, and the weights of its policy by name, float64 and finite.

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
    """The tensor in float64, if it is one of finite numbers."""
    if not tensor.is_floating_point() or not tensor.isfinite().all():
        raise ValueError("something that is no tensor of numbers, or not finite")
    return tensor.double()
