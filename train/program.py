"""What a reader types to start these commands, which depends on where this package lies."""

from __future__ import annotations

_PROGRAM = "python -m train" if __package__ == "train" else "hrm"


def program(command: str = "", processes: int = 0) -> str:
    """Returns the start of a command line: ``python -m train COMMAND`` in a clone, ``hrm COMMAND`` once installed.

    Args:
        command: Such as ``"fit"``.
        processes: How many torchrun starts on this machine to share the work; 0 does without it.
    """
    start = f"torchrun --nproc-per-node {processes} -m {__package__}" if processes else _PROGRAM
    return f"{start} {command}".rstrip()
