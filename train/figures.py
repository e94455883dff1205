"""``python -m train figures --paper``: the figures of the HRM paper from trainings of our own, the claims judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import UseAppendAction

from hrm_env.checks import check_choice
from hrm_env.files import check_writable

from .fit import parse
from .options import integer, parsed, read_options_in_part
from .presets import Fit
from .program import program
from .running import use_threads
from .trained import TestPuzzles

if TYPE_CHECKING:
    from .paper.lab import Lab


@dataclass(frozen=True)
class FigureOptions:
    """Make the figures of a paper from trainings of one's own; finished runs and measured numbers are kept.

    All other arguments, such as --preset sudoku9-paper --threads 1, are options of ``fit`` for every run; with
    --checkpoint they are options of ``evaluate`` that say on which puzzles it is measured.

    Attributes:
        paper: Those of the HRM paper (arXiv 2506.21734), the only set.
        quick: Small trainings on 4x4 Sudoku with one seed, for a look.
        only: A figure: fig2, fig3, fig5, fig7, fig8, gradients, data, causal; may be repeated; all unless given.
        seeds: Runs of each kind, with the seeds 0, 1, ...: 3, or 1 with --quick, unless given.
        checkpoint: An agent of one's own, for fig3, fig5, fig7, fig8 and causal; nothing is trained.
        out: Folder of runs, numbers and figures.
    """

    paper: bool = False
    quick: bool = False
    only: Annotated[tuple[str, ...], UseAppendAction] = ()
    seeds: Annotated[int | None, integer(1)] = None
    checkpoint: str = ""
    out: Path = Path("runs/paper")


def main(arguments: list[str]) -> None:
    """Reads the options, trains what is missing, measures, draws and writes."""
    start = program("figures")
    options, rest = read_options_in_part(FigureOptions, arguments, start)
    if options.checkpoint and options.seeds:
        raise ValueError("--seeds: expected it without --checkpoint, of which nothing is trained, found both")
    others = parsed(TestPuzzles, rest, "figures") if options.checkpoint else parse(rest, "figures")
    if not options.paper:
        raise ValueError("--paper: expected it, because there are no other figures, found none")
    check_writable("--out", options.out / "paper.json")
    from .resume import stopping

    with stopping(start, arguments):
        make(options, rest, others)


def make(options: FigureOptions, rest: Sequence[str], others: Fit | TestPuzzles) -> None:
    """Makes the figures.

    Args:
        options: Options of the command.
        rest: Options of every run, as they are typed.
        others: What all other options say: puzzles, for an agent of one's own.

    Raises:
        ValueError: A figure is unknown, or is none of a checkpoint.
    """
    from hrm_agent.study.figures.style import save_figure

    from .paper.catalogue import FIGURES
    from .paper.numbers import cached
    from .paper.report import write_report

    possible = [name for name, figure in FIGURES.items() if figure.one_agent or not options.checkpoint]
    chosen = list(dict.fromkeys([possible[0], *(check_choice("--only", name, possible) for name in options.only)]))
    chosen = chosen if options.only else possible
    lab, key = one_agent(options, others) if isinstance(others, TestPuzzles) else trained(options, rest, chosen)
    numbers = {}
    for name in chosen:
        path = options.out / "numbers" / f"{name}.json"
        numbers[name] = cached(path, key(name), lambda name=name: FIGURES[name].measure(lab))  # type: ignore[misc]
        save_figure(FIGURES[name].draw(lab, numbers[name]), options.out / name)
        print(f"{name}: {len(numbers[name])} numbers")
    titles = {name: FIGURES[name].title for name in chosen}
    print(write_report(numbers, titles, setting_of(options, lab), options.out))
    print(f"{options.out / 'paper.md'}, paper.json, paper.csv, and a figure each as .png and .svg")


def trained(options: FigureOptions, shared: Sequence[str], chosen: Sequence[str]) -> tuple[Lab, Any]:
    """Trains the runs of the chosen figures; returns their lab, and what the numbers of a figure depend on."""
    from tqdm import tqdm

    from .paper.accuracy import gradient_options
    from .paper.catalogue import FIGURES
    from .paper.lab import QUICK, Lab, Sizes, key_of

    sizes = QUICK if options.quick else Sizes()
    lab = Lab(options.out, replace(sizes, seeds=options.seeds or sizes.seeds), shared)
    use_threads(lab.base.threads)
    names = list(dict.fromkeys(name for figure in chosen for name in FIGURES[figure].runs(lab)))
    runs = [(name, lab.run(name, seed)) for seed in range(lab.sizes.seeds) for name in names]
    staged = gradient_options(lab, "one-step")
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        tqdm(total=sum(run.updates for _, run in runs), unit=" steps") as bar,
        (options.out / "training.log").open("a") as file,
    ):
        for name, run in runs:
            bar.set_description(f"training {name or 'HRM'}, seed {run.seed}")
            with redirect_stdout(file):
                lab.train(run, lab.sizes.stages if name == staged and not run.seed else ())
            bar.update(run.updates)

    def key(figure: str) -> dict[str, Any]:
        own = [key_of(lab.run(name)) for name in FIGURES[figure].runs(lab)]
        return {"sizes": json.loads(json.dumps(asdict(lab.sizes))), "runs": own}

    return lab, key


def one_agent(options: FigureOptions, puzzles: TestPuzzles) -> tuple[Lab, Any]:
    """Returns the lab of an agent from a file, and what the numbers of a figure depend on."""
    from hrm_agent.traces.record import fingerprint, puzzles_checksum

    from .environments import EVALUATION_SLOTS
    from .paper.lab import QUICK, OneAgent, Sizes

    agent = puzzles.load_agent(options.checkpoint, device="cpu", halting="fixed:1")
    env = puzzles.environment(agent, options.checkpoint, EVALUATION_SLOTS)
    sizes = QUICK if options.quick else Sizes()
    measured = {"measured": sizes.measured, "inference": sizes.inference}
    key = {"agent": fingerprint(agent.policy.acting_core), "puzzles": puzzles_checksum(env), **measured}
    return OneAgent(options.out, sizes, agent, env), lambda figure: key


def setting_of(options: FigureOptions, lab: Lab) -> list[str]:
    """Returns what was trained and measured, a line each."""
    sizes, core = lab.sizes, lab.core()
    weights = sum(weight.numel() for weight in core.parameters())
    usual = asdict(type(core.config)())
    changed = (f"{name} {value}" for name, value in asdict(core.config).items() if value != usual[name])
    lines = [
        f"{core.config.name}: {weights:,} parameters, {', '.join(changed)}",
        f"{len(lab.tested.rules.puzzles):,} test puzzles of {lab.task.spec.name}, states on {len(lab.batch.inputs)}",
    ]
    if options.checkpoint:
        return [f"agent: {options.checkpoint}", *lines]
    run = lab.base
    return [
        f"{run.updates:,} optimizer steps of {run.batch_size}, seeds 0 to {sizes.seeds - 1}, M = {lab.budget}, "
        f"{run.data.num_puzzles or 1000:,} training puzzles unless stated",
        *lines,
    ]
