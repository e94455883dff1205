"""The model card of a release, in the form of the Hugging Face hub: YAML front matter, then Markdown."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm_agent.study.proportion import wilson

from .options import flag
from .presets import PRESETS
from .resume import PLACES

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM

DATA = ("source", "test_source", "num_puzzles", "held_out", "option", "augment")
"""What a card shows of the puzzles; the command has the rest."""
FIGURES = ("puzzles", "exact", "segments_mean")
"""What a card shows of a sweep."""


def card(
    model: HRM, name: str, checkpoint: str, figures: Mapping[str, Mapping[str, Any]], run: Mapping[str, Any]
) -> str:
    """Returns the card: what the agent is, how to use it, how it was made, its figures, limits, licence and options.

    Args:
        model: The agent.
        name: Its name.
        checkpoint: What ``--checkpoint`` takes.
        figures: Figures of each sweep by the name of its puzzles, checked.
        run: The ``result.json`` of its training, its figures checked; empty where there is none.
    """
    from hrm_agent.sb3.run_card import run_options, table

    size, task = sum(each.numel() for each in model.policy.core.parameters()), model.puzzles.task or "unnamed puzzles"
    rows = [_figure_row(title, found) for title, found in figures.items()]
    columns = ["| | puzzles | exact | 95 % interval | segments, mean | halting |", "|---|---:|---:|---:|---:|---|"]
    parts = [
        _front_matter(name, task, figures),
        f"# {name}",
        f"An agent of hrm-gym for {task}: {size:,} parameters in bfloat16 (of a "
        f"run with a moving average, the average), after {model._n_updates:,} optimizer steps.",
        f"    hrm watch --checkpoint {checkpoint}\n    hrm evaluate --checkpoint {checkpoint}",
        "## Training",
        table({"": ""} | dict(_made(run))) if run else "Not recorded.",
        "## Figures",
        "\n".join(columns + rows) if rows else "None.",
        "## Limits",
        _limits(model, task),
        "## Licence",
        "MIT, as hrm-gym.",
        "## Options",
        table({"option": "value"} | run_options(model)),
    ]
    return "\n\n".join(parts) + "\n"


def command_of(options: Mapping[str, Any]) -> str:
    """Returns the command of a run: the preset, and every option that differs from the preset's.

    An absolute path means nothing on another machine: its file name alone is shown.

    Args:
        options: Options of `Fit` as ``result.json`` has them.
    """
    preset = str(options.get("preset"))
    usual = _leaves(json.loads(json.dumps(asdict(PRESETS[preset])))) if preset in PRESETS else {}
    words = ["hrm", "fit", "--preset", preset]
    for name, value in _leaves(options).items():
        if name in PLACES or name == "preset" or usual.get(name, ()) == value:
            continue
        if isinstance(value, bool):
            words.append(flag(name if value else f"no_{name}"))
        elif name == "option":
            words += [word for each in value for word in ("--option", str(each))]
        else:
            words += [flag("core" if name == "core_name" else name), *_words(value)]
    return shlex.join(words)


def _words(value: object) -> list[str]:
    """Returns a value as it is typed: a list, also one of lists, as all its values in their order."""
    return [word for each in value for word in _words(each)] if isinstance(value, list) else [_shown(value)]


def _shown(value: object) -> str:
    """Returns a value as text, an absolute path by its last part."""
    path = Path(str(value))
    return path.name if path.is_absolute() else str(value)


def _leaves(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options by the names that are typed, which omit their groups."""
    leaves: dict[str, Any] = {}
    for name, value in options.items():
        leaves |= _leaves(value) if isinstance(value, Mapping) else {name: value}
    return leaves


def _front_matter(name: str, task: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the front matter; its values are JSON, which YAML contains."""
    kind = {"type": "reinforcement-learning", "name": "puzzles"}
    results = [
        {
            "task": kind,
            "dataset": {"type": task, "name": title},
            "metrics": [
                {"type": "accuracy", "name": "puzzles solved", "value": found["exact"]},
                {"type": "segments", "name": "segments, mean", "value": found["segments_mean"]},
            ],
        }
        for title, found in figures.items()
    ]
    fields = {
        "license": "mit",
        "library_name": "hrm-gym",
        "pipeline_tag": "reinforcement-learning",
        "tags": ["hierarchical-reasoning-model", "adaptive-computation", "gymnasium", "stable-baselines3", task],
    } | ({"model-index": [{"name": name, "results": results}]} if results else {})
    return "\n".join(["---", *(f"{field}: {json.dumps(value)}" for field, value in fields.items()), "---"])


def _made(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields how the agent was made: data, command, commit, seed, machine and time."""
    options = run.get("options")
    if isinstance(options, dict) and isinstance(options.get("data"), dict):
        data = options["data"]
        told = {name: data.get(name) for name in DATA}
        yield "data", ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in told.items() if value)
        yield "command", f"`{command_of(options)}`"
        yield "seed", str(options.get("seed"))
    yield "commit", str(run.get("commit", "not recorded"))
    machine = run.get("machine")
    text = ", ".join(f"{name} {value}" for name, value in machine.items()) if isinstance(machine, dict) else ""
    yield "machine", text or "not recorded"
    yield "hours", f"{run['training_seconds'] / 3600:.2f}, sweeps included"


def _figure_row(title: str, found: Mapping[str, Any]) -> str:
    low, high = wilson(found["exact"], max(1, found["puzzles"]))
    return (
        f"| {title} | {found['puzzles']:,} | {found['exact']:.2%} | {low:.2%} to {high:.2%} "
        f"| {found['segments_mean']:.2f} | {found.get('halting', '')} |"
    )


def _limits(model: HRM, task: str) -> str:
    sizes = model.puzzles.sizes
    return "\n".join(
        [
            f"- It knows {task} alone, {sizes.seq_len} cells of {sizes.vocab_size} tokens; others need other agents.",
            "- It answers every puzzle, also one that it cannot solve or that has no solution. Its Q values are "
            "estimates; `verifier` halts on an answer that the puzzle's own check accepts.",
            f"- It was trained for up to {sizes.max_segments} segments. The figures are those of one training, on "
            "puzzles like those named; their intervals cover new puzzles, not new trainings.",
        ]
    )
