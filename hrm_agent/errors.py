"""What can go wrong that is not a bug of ours, beside a bad argument (a `ValueError` in one sentence)."""

from __future__ import annotations


class HRMError(Exception):
    """Base class."""


class CheckpointError(HRMError, ValueError):
    """A checkpoint is damaged, foreign, or does not fit; the message names the file."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint is no longer what was written: it is cut off, or a bit of it has changed.

    One of a newer format, or one that the system does not let anybody read now, is none of these.
    """


class NonFiniteError(HRMError, FloatingPointError, RuntimeError):
    """The loss or a weight is no longer a finite number."""
