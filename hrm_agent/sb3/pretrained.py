"""Released agents by name."""

from __future__ import annotations

from typing import Any

from hrm_agent.sb3.agent import HRM


def load_pretrained(name: str, **options: Any) -> HRM:
    """Returns a released agent; its weights are data, and nothing is unpickled.

    Args:
        name: An agent of the zoo, such as ``"sudoku6x6"`` (docs/zoo.md), or ``"hub:owner/name"`` for one of the
            Hugging Face hub.
        **options: As in `HRM.load`, such as ``halting="fixed:4"`` or ``device="cpu"``.

    Raises:
        CheckpointError: There is no such agent, or its file is damaged.
    """
    return HRM.load(name if name.startswith(("zoo:", "hub:")) else f"zoo:{name}", **options)
