"""``python -m train bench``: how fast everything is on this machine, side by side with what it is compared to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hrm_env.files import check_writable

from .options import Device, Threads, parsed

if TYPE_CHECKING:
    from benchmarks.report import Part

PartName = Literal["step", "presets", "evaluation", "environment", "memory"]


@dataclass(frozen=True)
class Bench:
    """Measure speed and memory on this machine, print tables, and write them to bench.json.

    Attributes:
        only: Parts to measure: step (a training step of the full-size networks), presets (the small ones), evaluation,
            environment, memory; all unless given.
        quick: Small sizes and few rounds, nothing compiled: a minute in all, to see that everything works.
        reference: A clone of sapientinc/HRM, to compare a training step with.
        trm: A clone of TinyRecursiveModels, likewise.
        checkpoint: A trained agent for the evaluation part; empty trains a small one.
        compile: Measure compiled training steps, too.
        threads: CPU threads; 0 for all cores.
        device: "auto", "cpu" or "cuda".
        clock: "wall", or "cpu" for the process's CPU time, on a machine that is busy with other work (with one thread).
        out: Folder of bench.json and of the picture of the memory part.
    """

    only: tuple[PartName, ...] = ()
    quick: bool = False
    reference: Path | None = None
    trm: Path | None = None
    checkpoint: str = ""
    compile: bool = True
    threads: Threads = 0
    device: Device = "auto"
    clock: Literal["wall", "cpu"] = "wall"
    out: Path = Path("runs/bench")


def main(arguments: list[str]) -> None:
    """Parses the options, measures, prints and writes."""
    options: Bench = parsed(Bench, arguments, "bench")
    if __package__ != "train":
        raise ValueError(
            "bench: expected a clone of hrm-gym, whose benchmarks/ it runs (python -m train bench), "
            "found the installed package"
        )
    from benchmarks.report import report
    from benchmarks.timing import use_threads
    from hrm_env.devices import check_device

    check_writable("--out", options.out / "bench.json")
    use_threads(options.threads)
    report(measured(options), check_device(options.device), options, options.out / "bench.json")


def measured(options: Bench) -> Iterator[Part]:
    """The parts that are asked for, each as soon as it is measured."""
    from benchmarks import evaluation, memory, presets, training_step, vector_env

    if options.quick:
        options = replace(options, compile=False)
    common: dict[str, Any] = {"device": options.device, "clock": options.clock}
    shared: dict[str, Any] = common | {"threads": options.threads}
    quick = {name: small if options.quick else {} for name, small in QUICK.items()}
    clones = {"hrm": options.reference, "trm": options.trm, "trm-mlp": options.trm}
    steps = (
        training_step.Options(network, clones[network], compile=options.compile, **(shared | quick["step"]))
        for network in training_step.NETWORKS
        if not (options.quick and network == "trm-mlp")
    )
    ways: dict[PartName, Callable[[], Iterator[Part]]] = {
        "step": lambda: map(training_step.measure, steps),
        "presets": lambda: one(presets, compile=options.compile, **(shared | quick["presets"])),
        "evaluation": lambda: one(evaluation, checkpoint=options.checkpoint, **(shared | quick["evaluation"])),
        "environment": lambda: one(vector_env, **(common | quick["environment"])),
        "memory": lambda: one(memory, device=options.device, figure=str(options.out / "memory"), **quick["memory"]),
    }
    for name in options.only or get_args(PartName):
        yield from ways[name]()


def one(module: Any, **options: Any) -> Iterator[Part]:
    """What a module of `benchmarks` measures."""
    yield module.measure(module.Options(**options))


QUICK: dict[PartName, dict[str, Any]] = {
    "step": {"batch_size": 2, "rounds": 1, "steps": 1},
    "presets": {"presets": ("sudoku4x4", "sudoku6x6"), "rounds": 3, "updates": 3},
    "evaluation": {"updates": 120, "puzzles": 300, "rounds": 3},
    "environment": {"slots": (1, 64, 512), "rounds": 3, "transitions": 4096},
    "memory": {"depths": ((2, 2), (4, 4), (8, 8)), "hidden_size": 64, "batch_size": 2},
}
"""Options of each part in a quick run."""
