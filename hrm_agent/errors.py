"""Errors that are not bugs of this package, beside Python's own for arguments.

A bad argument is a `ValueError` in one sentence, and an unknown option an `UnknownOptionError` (a `TypeError`), as
`hrm_env.checks` raises them.
"""

from __future__ import annotations


class HRMError(Exception):
    """Base class."""


class CheckpointError(HRMError, ValueError):
    """A checkpoint cannot be read, or does not fit the agent or its puzzles; the message names the file."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint is not what was written: it is cut off, or a bit has changed.

    A file of another format, or one that the system cannot read now, is not damaged.
    """


class NonFiniteError(HRMError, FloatingPointError, RuntimeError):
    """The loss or a weight is no longer a finite number."""
