"""Short races between ways to train, before a long training.

    python -m experiments.race --file experiments/races/sudoku9.toml --minutes 5 --rounds 3 --keep 0.5 --threads 1

The race is successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943). All variants train for the same compute,
the better half trains on to twice the compute, and so on, so that all rounds cost about the same. A kept run is
continued by exact resume. Every run is one training of ``--updates`` optimizer steps (1,000,000 unless given) that is
paused at the end of each round. Rounds of different lengths compare fairly only at a learning rate that does not
depend on the length of the run: it is constant after the warm-up, and a variant with a decay or a depth curriculum is
refused. The moving average of the weights (``--ema``) takes the place of the decay.

The same command goes on with a race that was stopped or killed. At its end it prints a table and writes ``race.csv``
(the table), ``curves.csv`` (every sweep), ``race.png`` and ``race.svg``.
"""

from __future__ import annotations

import math
import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import UseAppendAction

from experiments.race_report import Racer, report
from hrm_agent.errors import NonFiniteError
from hrm_env.checks import check_choice, shortened
from train.options import ProperShare, integer, number, read_options_in_part
from train.pause import Limit
from train.presets import Fit
from train.resume import stopping
from train.running import exit_status
from train.training import fit
from train.variants import Variant, errors_of, options_of_variant, variants_from

START = "python -m experiments.race"
DEFAULTS = ("--lr-min-ratio", "1", "--updates", "1000000", "--evaluate-every", "0")
"""Options of ``fit`` before all others."""


@dataclass(frozen=True)
class Race:
    """Race variants of a training by successive halving; a race that was stopped goes on with the same command.

    All other arguments, such as --preset sudoku6x6 --threads 1, are options of ``fit`` for every run.

    Attributes:
        file: TOML file with a table "variants" of names and options of ``fit``, and "options" for every run.
        variant: name=options of ``fit``, such as "slow=--learning-rate 1e-3", beside those of the file; may be
            repeated.
        only: Name of a variant of the file; may be repeated; empty for all.
        minutes: CPU minutes of a run's training in the first round, sweeps not included.
        updates_first: Optimizer steps of a run in the first round, instead of minutes.
        rounds: Number of rounds; each multiplies the compute of a run since its beginning by 1/keep.
        keep: Share of the variants that a round keeps.
        metric: Accuracy on the test puzzles that decides; the other one breaks ties.
        seeds: Runs of every variant, with seeds 0, 1, ...; their mean decides.
        out: Folder of the race.
    """

    file: Path | None = None
    variant: Annotated[tuple[str, ...], UseAppendAction] = ()
    only: Annotated[tuple[str, ...], UseAppendAction] = ()
    minutes: Annotated[float, number(0, excluded=(0,))] = 5.0
    updates_first: Annotated[int | None, integer(1)] = None
    rounds: Annotated[int, integer(1)] = 3
    keep: ProperShare = 0.5
    metric: Literal["exact", "cell_accuracy"] = "exact"
    seeds: Annotated[int, integer(1)] = 1
    out: Path = Path("runs/race")

    def limits(self) -> list[Limit]:
        """Returns the compute of a run at the end of each round, since its beginning."""
        growth = [self.keep**-number for number in range(self.rounds)]
        if self.updates_first is not None:
            return [Limit(round(self.updates_first * factor), "updates") for factor in growth]
        return [Limit(60 * self.minutes * factor, "cpu_seconds") for factor in growth]


def main(arguments: list[str]) -> None:
    """Reads the options, runs the unfinished part of the race, and reports it."""
    race, shared = read_options_in_part(Race, arguments, START)
    racers = racers_of(race, shared)
    with stopping(START, arguments):
        ranking = run(race, racers)
    report(ranking, race.metric, race.out)


def racers_of(race: Race, shared: Sequence[str]) -> list[Racer]:
    """Returns all variants with their runs; all options are checked before the first run begins.

    Args:
        race: The race.
        shared: Options of ``fit`` for every run, from the command line.

    Raises:
        ValueError: There are fewer than two variants, or an option of one is bad; names the variant.
    """
    of_file, variants = read_file(race.file) if race.file is not None else ([], {})
    variants = {check_choice("--only", name, variants): variants[name] for name in race.only or variants}
    for name, variant in variants_from(race.variant).items():
        if name in variants:
            raise ValueError(f"--variant: expected another name than those in {race.file}, found {name!r}")
        variants[name] = variant
    if len(variants) < 2:
        raise ValueError(f"--file, --variant: expected two variants or more, found {len(variants)}")
    before = [*DEFAULTS, *of_file, *shared]
    racers = []
    for name, variant in variants.items():
        with errors_of(name):
            runs = [options_of_variant(race.out, name, variant, seed, before) for seed in range(race.seeds)]
            check_schedule(runs[0], race.limits()[-1])
            racers.append(Racer(name, runs))
    return racers


def read_file(path: Path) -> tuple[list[str], dict[str, Variant]]:
    """Reads a list of variants; returns the options of every run and the variants by name.

    Raises:
        ValueError: It is no TOML file of that form; names the file.
    """
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text())
        options = shlex.split(check_text(path, "options", found.pop("options", "")))
    except ValueError as error:  # also what tomllib raises, and text that is not UTF-8
        raise ValueError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    variants = found.pop("variants", None)
    if found or not isinstance(variants, Mapping):
        raise ValueError(f"{path}: expected a text 'options' and a table 'variants', found {shortened([*found])}")
    return options, {name: Variant(check_text(path, name, text)) for name, text in variants.items()}


def check_text(path: Path, name: str, value: Any) -> str:
    """Returns the value if it is a text.

    Raises:
        ValueError: It is something else; names the file.
    """
    if not isinstance(value, str):
        raise ValueError(f"{path}: {name}: expected options of fit in quotes, found {shortened(value)}")
    return value


def check_schedule(run: Fit, last: Limit) -> None:
    """Refuses a schedule that depends on the length of the run, and a run that is shorter than the race.

    Raises:
        ValueError: Names the option.
    """
    if run.lr_min_ratio != 1:
        raise ValueError(
            f"--lr-min-ratio: expected 1 in a race, a constant rate after the warm-up, found {run.lr_min_ratio}"
        )
    if run.learner.depth:
        raise ValueError(f"--depth: expected none in a race, found {run.learner.depth}")
    if last.unit == "updates" and run.updates < last.amount:
        raise ValueError(f"--updates: expected the {last.amount:,} of the last round or more, found {run.updates:,}")


def run(race: Race, racers: Sequence[Racer]) -> list[Racer]:
    """Runs all rounds, or what is left of them, and returns the variants, the best first."""
    standing, out = list(racers), list[Racer]()
    for place, limit in enumerate(race.limits(), start=1):
        for seed in range(race.seeds):
            for racer in standing:
                with errors_of(racer.name):
                    train_to(racer.runs[seed], racer, limit)
        for racer in standing:
            racer.rounds = place
        standing.sort(key=lambda racer: racer.quality(limit, race.metric), reverse=True)
        for racer in standing:
            exact, cells = racer.quality(limit, "exact")
            found = "diverged" if racer.diverged else f"{exact:.1%} solved, {cells:.1%} of cells"
            print(f"round {place} of {race.rounds}: {racer.name}: {found}")
        kept = kept_of(len(standing), race.keep) if place < race.rounds else len(standing)
        standing, out = standing[:kept], standing[kept:] + out
    return standing + out


def kept_of(variants: int, keep: float) -> int:
    """Returns how many variants a round keeps: the share, rounded up."""
    return math.ceil(variants * keep - 1e-9)


def train_to(options: Fit, racer: Racer, limit: Limit) -> None:
    """Trains a run to the limit, unless it has been there; a run whose loss is not finite is out.

    Raises:
        ValueError: The run has had more compute than the limit but was not measured there, or ends before the limit.
    """
    seed = options.seed
    if racer.read(seed, limit) or racer.diverged:
        return
    try:
        fit(options, limit)
    except NonFiniteError as error:
        print(f"{racer.name}, seed {seed}: {error}")
        racer.diverged = True
        return
    if not racer.read(seed, limit):
        raise ValueError(f"--updates: expected more steps than the run makes before {limit}, found {options.updates:,}")


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:]), sys.argv[1:]))
