"""``python -m train COMMAND`` in a clone, ``hrm COMMAND`` once installed; the commands are those of `COMMANDS`."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from gymnasium.error import DependencyNotInstalled

import hrm_env  # registers the ids, too
from hrm_env.checks import UnknownOptionError

from .program import program

COMMANDS = {
    "fit": "train an agent, evaluate it, write its checkpoint",
    "evaluate": "score a checkpoint on every puzzle of a source, once",
    "release": "write a checkpoint as a small file with a model card",
    "watch": "see an agent solve puzzles, segment by segment",
    "demo": "train the small default, then watch it",
    "data": "look at puzzle files, translate them, make them",
    "learn-halting": "let PPO or DQN learn when a frozen agent stops",
    "study": "compare halting policies on recorded puzzles",
    "study-training": "train one preset in several ways and compare them",
    "bench": "measure how fast everything is on this machine",
}

_USAGE = f"usage: {program('COMMAND')} [--help] [options], or {program('--version')}\n"
_HELP = "\n".join([_USAGE, *(f"  {name:15} {what}" for name, what in COMMANDS.items())])
ANSWERS = {"-h": _HELP, "--help": _HELP, "--version": f"hrm-gym {hrm_env.__version__}"}


def main(arguments: list[str]) -> int:
    """Runs a command; an error of the user's input, or a loss that is not finite, is one sentence and exit status 2.

    An error of our own keeps its traceback.
    """
    if not arguments or arguments[0] in ANSWERS:
        print(ANSWERS[arguments[0] if arguments else "--help"])
        return 0
    if arguments[0] not in COMMANDS:
        print(f"error: expected a command of {', '.join(COMMANDS)}, found {arguments[0]!r}", file=sys.stderr)
        return 2
    try:
        import_module(f".{arguments[0].replace('-', '_')}", __package__).main(arguments[1:])
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
    return 0


def script() -> None:
    """Runs the command of this process: what ``hrm`` and ``python -m train`` start."""
    if os.getcwd() not in sys.path:  # where modules that an option names may lie, for ``hrm``, too
        sys.path.append(os.getcwd())
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    script()
