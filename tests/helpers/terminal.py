"""Readers of what is written for a terminal."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Returns the text without its colours."""
    return re.sub(r"\x1b\[[0-9;]+m", "", text)
