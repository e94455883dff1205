"""Options of a training run, and presets by their names."""

from __future__ import annotations

from .options import Data, Fit, run_folder
from .published import PUBLISHED
from .small import SMALL

__all__ = ["PRESETS", "Data", "Fit", "run_folder"]

PRESETS: dict[str, Fit] = SMALL | PUBLISHED
"""By name; every option can be changed on the command line."""
