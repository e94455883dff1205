"""The options that measurements share, and the program around a measurement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import torch

from benchmarks.report import Part, print_part
from benchmarks.timing import Clock
from hrm_env.devices import check_device
from train.options import Device, Threads, integer, read_options
from train.running import exit_status, use_threads

Count = Annotated[int, integer(1)]
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of every measurement.

    Attributes:
        threads: CPU threads; 0 for all cores.
    """

    threads: Threads = 0


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(Options):
    """Options of a measurement that may use a GPU.

    Attributes:
        device: "auto", "cpu" or "cuda".
    """

    device: Device = "auto"

    def prepare(self) -> torch.device:
        """Sets the CPU threads and returns the device."""
        use_threads(self.threads)
        return check_device(self.device, "--device")


@dataclass(frozen=True, kw_only=True)
class TimedOptions(DeviceOptions):
    """Options of a measurement that times calls by turns.

    Attributes:
        rounds: Turns of each call; figures are medians over them.
        clock: "wall", or "cpu" for the CPU time of the process, for a machine that is busy with other work (use one
            thread).
    """

    rounds: Count = 7
    clock: Clock = "wall"


def run(kind: type[Kind], measure: Callable[[Kind], Part | Iterable[Part]]) -> None:
    """Runs a measurement as the program of this process: reads its options, measures and prints the tables.

    Args:
        kind: Dataclass of the options.
        measure: Returns the tables; those of an iterator are printed one by one.

    Raises:
        SystemExit: Always; 2 where the input is bad, which is printed as one sentence.
    """
    spec = sys.modules["__main__"].__spec__

    def work() -> None:
        found = measure(read_options(kind, sys.argv[1:], f"python -m {spec.name}" if spec else None))
        for part in (found,) if isinstance(found, Part) else found:
            print_part(part)

    sys.exit(exit_status(work, sys.argv[1:]))
