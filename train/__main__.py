"""``python -m train COMMAND`` in a clone, ``hrm COMMAND`` once installed; the commands are those of `COMMANDS`."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import hrm_env  # registers the ids, too

from .program import program
from .running import exit_status

COMMANDS = {
    "fit": "train an agent, evaluate it, write its checkpoint",
    "evaluate": "score a checkpoint on every puzzle of a source, once",
    "release": "write a checkpoint as a small file with a model card",
    "export": "write an agent as an ONNX graph, which runs without torch",
    "push": "upload a release to the Hugging Face hub",
    "watch": "see an agent solve puzzles, segment by segment",
    "demo": "train the small default, then watch it",
    "data": "look at puzzle files, translate them, make them",
    "learn-halting": "let PPO or DQN learn when a frozen agent stops",
    "study": "compare halting policies on recorded puzzles",
    "zoo": "compare halting policies on every released agent",
    "study-training": "train one preset in several ways and compare them",
    "figures": "make the figures of the HRM paper from trainings of your own",
}

_USAGE = f"usage: {program('COMMAND')} [--help] [options], or {program('--version')}\n"
_HELP = "\n".join([_USAGE, *(f"  {name:15} {what}" for name, what in COMMANDS.items())])
ANSWERS = {"-h": _HELP, "--help": _HELP, "--version": f"hrm-gym {hrm_env.__version__}"}


def main(arguments: list[str]) -> int:
    """Runs a command and returns the exit status; what the user did wrong is one sentence and 2."""
    if not arguments or arguments[0] in ANSWERS:
        print(ANSWERS[arguments[0] if arguments else "--help"])
        return 0
    if arguments[0] not in COMMANDS:
        print(f"error: expected a command of {', '.join(COMMANDS)}, found {arguments[0]!r}", file=sys.stderr)
        return 2
    module = f".{arguments[0].replace('-', '_')}"
    return exit_status(lambda: import_module(module, __package__).main(arguments[1:]), arguments)


def script() -> None:
    """Runs the command of this process: what ``hrm`` and ``python -m train`` start."""
    if os.getcwd() not in sys.path:  # where modules that an option names may lie, for ``hrm``, too
        sys.path.append(os.getcwd())
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    script()
