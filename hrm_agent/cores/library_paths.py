"""`torch.compile` where torch or Python lies in a path with a space.

Inductor quotes the folders of headers in the compiler's command line but not the folders of libraries (``-L``), so that
the linker finds none of torch's libraries. It is given links without a space instead, which also hold where a later
torch quotes them.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from functools import wraps
from pathlib import Path
from typing import Any

import torch


def avoid_spaces() -> None:
    """Makes inductor name the folders of libraries by links, if a path of torch or Python has a space."""
    if not any(" " in path for path in (torch.__file__, sys.prefix, sys.base_prefix)):
        return
    from torch._inductor.cpp_builder import BuildOptionsBase

    named = BuildOptionsBase.get_libraries_dirs
    if hasattr(named, "__wrapped__"):
        return

    @wraps(named)
    def linked(options: Any) -> list[str]:
        return [without_space(folder) for folder in named(options)]

    setattr(BuildOptionsBase, "get_libraries_dirs", linked)  # noqa: B010  # mypy knows it as a method


def without_space(folder: str) -> str:
    """Returns a path without a space to an existing folder: a link in the compiler's cache, if its own has one.

    Raises:
        OSError: The link cannot be made.
    """
    if " " not in folder:
        return folder
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    links = Path(cache_dir()) / "links"
    links.mkdir(parents=True, exist_ok=True)
    link = links / hashlib.sha256(folder.encode()).hexdigest()[:16]
    if not link.is_symlink():
        with tempfile.TemporaryDirectory(dir=links) as place:  # renamed, so that two processes may make it at once
            made = Path(place) / "link"
            made.symlink_to(Path(folder).absolute(), target_is_directory=True)
            made.replace(link)
    return str(link)
