"""How fast everything is on this machine, side by side with what it is compared to.

python -m benchmarks [NAMES] [--quick]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tyro.conf import Positional

from benchmarks import evaluation, history, memory, presets, training_step, vector_env
from benchmarks.options import DeviceOptions
from benchmarks.report import Part, print_part, report
from benchmarks.timing import Clock
from hrm_env.files import check_writable
from train.machine import machine
from train.options import read_options
from train.running import exit_status

HISTORY = Path(__file__).with_name("history.jsonl")
PartName = Literal["step", "presets", "evaluation", "environment", "memory"]


@dataclass(frozen=True, kw_only=True)
class Bench(DeviceOptions):
    """Measure speed and memory on this machine, print tables, and compare the figures with those of the last run.

    Attributes:
        names: Parts to measure: step (a training step of the full-size networks), presets (the small ones), evaluation,
            environment, memory; all unless given.
        quick: Small sizes and few rounds, nothing compiled: a minute in all, to see that everything works.
        reference: A clone of sapientinc/HRM, to compare a training step with.
        trm: A clone of TinyRecursiveModels, likewise.
        checkpoint: A trained agent for the evaluation part; empty trains a small one.
        compile: Measure compiled training steps, too.
        clock: "wall", or "cpu" for the CPU time of the process, for a machine that is busy with other work (use one
            thread).
        out: Folder of bench.json and of the picture of the memory part.
        history: File to which the figures are appended, a line a run.
    """

    names: Positional[tuple[PartName, ...]] = ()
    quick: bool = False
    reference: Path | None = None
    trm: Path | None = None
    checkpoint: str = ""
    compile: bool = True
    clock: Clock = "wall"
    out: Path = Path("runs/bench")
    history: Path = HISTORY


def main(arguments: Sequence[str]) -> int:
    """Measures, prints and writes what the options ask for, and returns the exit status."""
    return exit_status(lambda: bench(read_options(Bench, arguments, "python -m benchmarks")), arguments)


def bench(options: Bench) -> None:
    """Measures and prints the parts, compares their figures with the last comparable run, and appends them."""
    device = options.prepare()
    check_writable("--out", options.out / "bench.json")
    check_writable("--history", options.history)
    entries = history.read(options.history)  # before measuring, because the file may be damaged
    where = machine(device)
    parts = report(measured(options), device, options, options.out / "bench.json")
    settings = {"threads": where["threads"], "clock": options.clock, "quick": options.quick}
    entry = history.entry_of(parts, where, settings | {"checkpoint": options.checkpoint})
    before = history.comparable(entries, entry)
    if before is None:
        print("history  no earlier run of these parts, with these options, on such a machine")
    else:
        print_part(history.changes(before, entry))
    history.append(options.history, entry)
    print(f"history  {options.history}")


def measured(options: Bench) -> Iterator[Part]:
    """Yields the parts that are asked for, each once it is measured."""
    device: dict[str, Any] = {"device": options.device, "threads": options.threads}
    timed = device | {"clock": options.clock}
    compile = options.compile and not options.quick
    quick = {name: small if options.quick else {} for name, small in QUICK.items()}
    clones = {"hrm": options.reference, "trm": options.trm, "trm-mlp": options.trm}
    networks = [network for network in training_step.NETWORKS if not (options.quick and network == "trm-mlp")]
    ways: dict[PartName, Callable[[], Iterator[Part]]] = {
        "step": lambda: (
            training_step.measure(training_step.Options(name, clones[name], compile=compile, **timed, **quick["step"]))
            for name in networks
        ),
        "presets": lambda: one(presets, compile=compile, **timed, **quick["presets"]),
        "evaluation": lambda: one(evaluation, checkpoint=options.checkpoint, **timed, **quick["evaluation"]),
        "environment": lambda: one(vector_env, **timed | {"threads": 1}, **quick["environment"]),
        "memory": lambda: one(memory, figure=str(options.out / "memory"), **device, **quick["memory"]),
    }
    for name in options.names or get_args(PartName):
        yield from ways[name]()


def one(module: Any, **options: Any) -> Iterator[Part]:
    """Yields the result of a module of this package."""
    yield module.measure(module.Options(**options))


QUICK: dict[PartName, dict[str, Any]] = {
    "step": {"batch_size": 2, "rounds": 1, "steps": 1},
    "presets": {"presets": ("sudoku4x4", "sudoku6x6"), "rounds": 3, "updates": 3},
    "evaluation": {"updates": 120, "puzzles": 300, "rounds": 3},
    "environment": {"slots": (1, 64, 512), "rounds": 3, "transitions": 4096},
    "memory": {"depths": ((2, 2), (4, 4), (8, 8)), "hidden_size": 64, "batch_size": 2},
}
"""Options of each part in a quick run."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
