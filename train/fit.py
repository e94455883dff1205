"""``python -m train fit``: train an agent, evaluate it, write its checkpoint."""

from __future__ import annotations

from dataclasses import fields, replace

from hrm_agent.config import CONFIGS, BlockConfig, CoreConfig
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
    """Returns the options of the preset, with another core if one is named, changed by the arguments and checked."""
    chosen = PRESETS[check_choice("--preset", _typed(arguments, "--preset") or "sudoku6x6", PRESETS)]
    core = _typed(arguments, "--core")
    options: Fit = parsed(Fit, arguments, command, replace(chosen, core=_core(core, chosen.core)) if core else chosen)
    _check(options)
    return options


def _typed(arguments: list[str], option: str) -> str:
    """Returns the value of an option that decides what the defaults of others are; empty if it is not given."""
    value = ""
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, joined = argument.partition("=")
        if name == option:
            value = (joined if equals else following).strip()
    return value


def _core(name: str, preset: CoreConfig) -> CoreConfig:
    """Returns the defaults of a core with the blocks, positions and precision of the preset's."""
    kind = CONFIGS[check_choice("--core", name, CONFIGS)]
    if name == preset.name:
        return preset
    shared = {field.name for field in fields(BlockConfig)} - {"gradient"}  # which follows from a core's own steps
    names = (field.name for field in fields(kind) if field.name in shared and hasattr(preset, field.name))
    return kind(**{name: getattr(preset, name) for name in names})


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
