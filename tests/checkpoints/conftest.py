"""What the tests of hostile checkpoints share."""

from __future__ import annotations

from pathlib import Path

import pytest
from agents import trained_agent

from hrm_agent.checkpoints.training_state import save_training


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real one, from which a run could go on."""
    path = tmp_path_factory.mktemp("saved") / "agent.zip"
    save_training(trained_agent(), path)
    return path
