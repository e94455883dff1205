"""What can go wrong that is not a bug of ours, beside a bad argument (a `ValueError` in one sentence)."""

from __future__ import annotations


class HRMError(Exception):
    """Base class."""


class CheckpointError(HRMError, ValueError):
    """A checkpoint is damaged, foreign, or does not fit; the message names the file."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint has lost or changed bytes since it was written."""


class NonFiniteError(HRMError, FloatingPointError, RuntimeError):
    """The loss or a weight is no longer a finite number."""
