"""What all tests share: one thread, a cache of their own, and the folders beside the repository.

Nothing here imports torch: the process that only hands out tests to workers (pytest-xdist) does not need it.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import SHARED

_CACHE = tempfile.TemporaryDirectory(prefix="hrm-env-cache-")
# before anything is imported or generated, and for subprocesses, too
os.environ["HRM_ENV_CACHE"] = _CACHE.name
os.environ["SDL_VIDEODRIVER"] = "dummy"  # windows without a screen
os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def one_core() -> Iterator[None]:
    """A command that is not told otherwise uses one thread: workers share the cores, and waiting threads burn them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 1)
        yield


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A test begins with one thread of torch, whatever the one before has set."""
    yield
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real puzzles, which live outside the repository."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
