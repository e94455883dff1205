"""``python -m train fit``: train an agent, evaluate it, write its checkpoint."""

from __future__ import annotations

from hrm_env.checks import check_choice
from hrm_env.files import check_writable

from .options import parsed
from .presets import PRESETS, Fit, run_folder
from .program import program


def main(arguments: list[str]) -> None:
    """Parses the options, whose defaults are the preset's, and trains."""
    options = parse(arguments, "fit")
    from hrm_agent.distributed import local_world_size, process_group, world_size
    from hrm_env.devices import check_device

    from .resume import stopping
    from .training import fit

    with process_group(check_device(options.device)):
        start = program("fit", local_world_size() if world_size() > 1 else 0)
        with stopping(start, arguments, "--resume"):
            fit(options)


def parse(arguments: list[str], command: str) -> Fit:
    """Returns the options of the preset, changed by the arguments and checked."""
    preset = "sudoku6x6"
    for position, argument in enumerate(arguments):
        if argument.startswith("--preset"):
            preset = (argument.partition("=")[2] or "".join(arguments[position + 1 : position + 2])).strip()
    options: Fit = parsed(Fit, arguments, command, PRESETS[check_choice("--preset", preset, PRESETS)])
    _check(options)
    return options


def _check(options: Fit) -> None:
    """Refuses options that would fail only after the run has begun."""
    from hrm_agent.halting import make
    from hrm_env.envs.easing import check_blanks

    from .environments import check_source, options_from, task_of

    check_writable("--out", run_folder(options) / "result.json")
    if options.data.test_source:
        check_source("--test-source", options.data.test_source)
    task = task_of(options.data.env)
    if options.data.source:  # a preset without one is refused where its puzzles are loaded
        options_from(options.data.option, task, options.data.source)
    check_blanks(task, options.data.blank_fraction, options.data.easier)
    if (views := make(options.halting).views) > 1:
        raise ValueError(
            f"--halting: expected a policy of one view to train with, found {options.halting!r} of {views} views, "
            "which evaluate and watch can use"
        )
