"""The work of a program: an error of the user's input becomes one sentence; the CPU threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from gymnasium.error import DependencyNotInstalled

from hrm_env.checks import UnknownOptionError


def exit_status(work: Callable[[], int | None], arguments: Sequence[str]) -> int:
    """Runs the work and returns the exit status of the process.

    An error of the user's input, or a loss that is not finite, is printed as one sentence and gives 2. An error of our
    own keeps its traceback.

    Args:
        work: Called once; returns the exit status, None for 0.
        arguments: Arguments of the command line; a message names an option as it was typed there.
    """
    try:
        return work() or 0
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stdout = None
        return 0
    except (ValueError, UnknownOptionError, FloatingPointError, OSError, DependencyNotInstalled) as error:
        from .options import as_typed

        print(f"error: {as_typed(str(error), arguments)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def use_threads(threads: int) -> None:
    """Sets torch's CPU threads; 0 for all cores, which the processes of torchrun on this machine share."""
    import torch

    from hrm_agent.distributed import local_world_size

    torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // local_world_size()))
