"""The commands of rl_zoo3 with HRM among its algorithms: ``python examples/rl_zoo3/zoo.py train --algo hrm ...``.

What stands behind ``train`` and ``enjoy`` is rl_zoo3's own; README.md shows both.
"""

import sys
from pathlib import Path

from rl_zoo3.enjoy import enjoy
from rl_zoo3.train import train
from rl_zoo3.utils import ALGOS

from hrm_agent import HRM

COMMANDS = {"train": train, "enjoy": enjoy}
OPTIONS = Path(__file__).with_name("hrm.yml")


def main() -> None:
    """Runs the command that is named, for ``train`` with the options beside this file unless others are given."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        sys.exit(f"expected one of {', '.join(COMMANDS)}, found {name!r}")
    if name == "train" and not {"-conf", "--conf-file"} & set(sys.argv):
        sys.argv += ["--conf-file", str(OPTIONS)]
    ALGOS["hrm"] = HRM
    COMMANDS[name]()


if __name__ == "__main__":
    main()
