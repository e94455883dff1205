"""What all tests share: one thread, a cache of their own, and the folders beside the repository."""

import os
import tempfile
from pathlib import Path

import pytest
import torch

_CACHE = tempfile.TemporaryDirectory(prefix="hrm-env-cache-")
os.environ["HRM_ENV_CACHE"] = _CACHE.name  # before anything is generated, and for subprocesses, too
os.environ["SDL_VIDEODRIVER"] = "dummy"  # windows without a screen
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real puzzles, which live outside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
