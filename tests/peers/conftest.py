"""What the tests of other libraries share. Each file needs one of its own; ``make test-peers`` installs them."""

from __future__ import annotations

import pytest
from halting_traces import telling_traces

import hrm_agent  # noqa: F401  (registers HRM-Halting-v0)
import hrm_env  # noqa: F401  (registers the puzzles)
from hrm_agent.traces.record import Traces


@pytest.fixture
def traces() -> Traces:
    """Recorded puzzles on which halting can be learned."""
    return telling_traces()
