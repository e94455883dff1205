"""``python -m train data``: look at puzzle files, translate them, make them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from tyro.conf import Positional, UseAppendAction, arg

from hrm_env.files import check_writable

from .options import Seed, integer, parsed

if TYPE_CHECKING:
    from hrm_env.puzzles import Puzzles
    from hrm_env.sources import Split
    from hrm_env.task import PuzzleTask

Source = Annotated[Positional[str], arg(metavar="SOURCE")]
Out = Annotated[Positional[str], arg(metavar="OUT")]


@dataclass(frozen=True, kw_only=True)
class _OfTask:
    """Options of every command that names its puzzles by an environment.

    Attributes:
        env: Registered id of the puzzle, such as HRM-Sudoku-v0.
        option: name=value, an option of the source, such as rows=:-5000, min_rating=20 or a generator's clues=24.
    """

    env: str
    option: Annotated[tuple[str, ...], UseAppendAction] = ()

    def load(self, task: PuzzleTask, source: str, split: Split, **defaults: Any) -> Puzzles:
        """The puzzles of a split, where the source has two, else all; the given options go before the defaults."""
        from .environments import load_part

        return load_part(task, source, split, option=self.option, **defaults)


@dataclass(frozen=True, kw_only=True)
class Inspect(_OfTask):
    """Count, check and compare puzzles; find duplicates, exact and up to symmetry.

    Attributes:
        source: A CSV file, a built folder, hub:owner/name, ARC tasks (.json), or "generated".
        split: Only this split of the source; else all it has.
        against: A second source; how many puzzles are in both is counted.
        json_out: Write the figures to this file, too.
    """

    source: Source
    split: Literal["train", "test"] | None = None
    against: str = ""
    json_out: Annotated[str, arg(name="json")] = ""

    def run(self) -> None:
        """Prints the figures. Bad rows are counted, unless an option says otherwise."""
        from .data_inspection import inspected
        from .data_tables import print_report
        from .environments import check_source, task_of
        from .results import write_result

        if self.json_out:
            check_writable("--json", Path(self.json_out))
        if self.against:
            check_source("--against", self.against)
        task = task_of(self.env)
        sets = self._sets(task, self.source, self.split)
        if self.against:
            others = self._sets(task, self.against, None)
            sets |= {f"against {name}".removesuffix(" puzzles"): puzzles for name, puzzles in others.items()}
        report = {"source": self.source, "against": self.against or None, **inspected(task, sets)}
        print_report(report)
        if self.json_out:
            write_result(Path(self.json_out), report)

    def _sets(self, task: PuzzleTask, source: str, split: Split | None) -> dict[str, Puzzles]:
        from hrm_env.sources import Split, options_of

        if "split" in options_of(task, source):
            splits = get_args(Split) if split is None else (split,)
            return {name: self.load(task, source, name, skip_bad_rows=True) for name in splits}
        if split is not None:
            raise ValueError(f"--split: expected a source with two splits, found {source}")
        return {"puzzles": self.load(task, source, "train", skip_bad_rows=True)}


@dataclass(frozen=True, kw_only=True)
class Convert(_OfTask):
    """Translate between CSV files, built folders and data sets of the hub.

    Attributes:
        source: As that of inspect.
        out: A folder, or a .csv or .csv.gz file; {split} in its name becomes train and test.
        test_source: Where the test puzzles are, if not in the source.
        hold_out: The last puzzles of the source are its test puzzles, at least so many rows; variants stay together.
        subsample: A random choice of that many training puzzles, with the variants they have; 0 for all.
        augmentations: Random symmetric variants to add to each training puzzle.
        seed: Seed of the choice and of the variants.
    """

    source: Source
    out: Out
    test_source: str = ""
    hold_out: Annotated[int, integer(0)] = 0
    subsample: Annotated[int, integer(0)] = 0
    augmentations: Annotated[int, integer(0)] = 0
    seed: Seed = 0

    def run(self) -> None:
        """Reads, adds variants, writes."""
        from hrm_env.sources import options_of

        from .data_writing import check_symmetric, check_target, with_variants, write
        from .environments import check_source, task_of
        from .splitting import hold_out, sample

        task = task_of(self.env)
        has_test = bool(self.test_source) or "split" in options_of(task, self.source)
        if self.hold_out and has_test:
            raise ValueError("--hold-out: expected a source without test puzzles of its own, found one with them")
        check_target(self.out, 2 if has_test or self.hold_out else 1)
        if self.test_source:
            check_source("--test-source", self.test_source)
        if self.augmentations:
            check_symmetric(task)
        train = self.load(task, self.source, "train", puzzle_seed=self.seed)
        splits: dict[Split, Puzzles] = {}
        if has_test:
            splits["test"] = self.load(task, self.test_source or self.source, "test", puzzle_seed=self.seed)
        elif self.hold_out:
            train, splits["test"] = hold_out(task, train, self.hold_out, "--hold-out")
        if self.subsample:
            train = sample(train, self.subsample, self.seed)
        train = with_variants(task, train, self.augmentations, self.seed)
        write(task, self.out, {"train": train, **splits})


@dataclass(frozen=True, kw_only=True)
class Build(_OfTask):
    """Generate puzzles; training and test share none, up to symmetry.

    Attributes:
        out: As that of convert.
        num_puzzles: Training puzzles.
        test_puzzles: Test puzzles.
        seed: Seed of the generator.
    """

    out: Out
    num_puzzles: Annotated[int, integer(1)] = 1000
    test_puzzles: Annotated[int, integer(1)] = 1000
    seed: Seed = 0

    def run(self) -> None:
        """Generates and writes."""
        from .data_writing import check_target, write
        from .environments import task_of

        task = task_of(self.env)
        check_target(self.out, 2)
        counts: dict[Split, int] = {"train": self.num_puzzles, "test": self.test_puzzles}
        splits = {
            s: self.load(task, "generated", s, puzzle_seed=self.seed, num_puzzles=count) for s, count in counts.items()
        }
        write(task, self.out, splits)


@dataclass(frozen=True, kw_only=True)
class BuildArc:
    """Build ARC puzzles from tasks to train on and tasks to be tested on.

    Attributes:
        out: A folder.
        training: Files or folders of tasks whose pairs are all trained on.
        evaluation: Files or folders of tasks whose demonstrations are trained on, and whose test pairs are the test.
        augmentations: Variants of every task, in colours, rotation and reflection.
        seed: Seed of the variants.
        env: Registered id of the canvas.
    """

    out: Out
    evaluation: tuple[str, ...]
    training: tuple[str, ...] = ()
    augmentations: Annotated[int, integer(0)] = 1000
    seed: Seed = 0
    env: str = "HRM-ARC-v0"

    def run(self) -> None:
        """Builds, writes, and tells what was left out."""
        from hrm_env.tasks.arc.build import build_arc
        from hrm_env.tasks.arc.task import Arc

        from .data_writing import check_target, write
        from .environments import task_of

        task = task_of(self.env)
        if not isinstance(task, Arc):
            raise ValueError(f"--env: expected a puzzle of ARC, found {self.env!r}")
        check_target(self.out, 2)
        build = build_arc(task, self.training, self.evaluation, self.augmentations, self.seed)
        write(task, self.out, {"train": build.train, "test": build.test})
        print("\n".join(build.left_out) or "nothing was left out")


def main(arguments: list[str]) -> None:
    """Parses the options and runs the command they choose."""
    command = parsed(Inspect | Convert | Build | BuildArc, arguments, "data")
    started = time.perf_counter()
    with _terminated_like_interrupted():
        command.run()
    print(f"done in {time.perf_counter() - started:.1f} s")


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Within, SIGTERM unwinds the program as Ctrl-C does, so that what is half written goes."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
