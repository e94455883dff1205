"""Writes a study as one HTML file that needs nothing else: no server, no network, no other file."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from string import Template

from hrm_agent.study.page.episodes import page_episodes, pieces
from hrm_agent.study.page.numbers import page_numbers
from hrm_agent.study.replays import Replays
from hrm_agent.study.study import Study
from hrm_env.task import PuzzleTask

LIMIT = 5_000_000
"""Size of a page in bytes, at most, however many puzzles there are."""

_SCRIPTS = ("page.js", "charts.js", "puzzles.js")


def study_page(
    study: Study, replays: Replays, task: PuzzleTask, trained_segments: int = 0, limit: int = LIMIT
) -> bytes:
    """Returns the page in UTF-8.

    Charts and counts are of all scored puzzles. The segments of a puzzle are there as far as they fit; those of puzzles
    on which policies differ come first. The charts are drawn by plotly.js (its bundle "basic", MIT license).

    Args:
        study: The table.
        replays: What every policy did.
        task: The puzzle family.
        trained_segments: Budget in training; 0 leaves it out.
        limit: Size of the page in bytes, at most; what is not a puzzle's segments is always there.

    Raises:
        ValueError: The task has another number of cells than the recorded puzzles.
    """
    cells = replays.traces[0].header.seq_len
    if task.spec.seq_len != cells:
        found = f"{task.spec.name} of {task.spec.seq_len}"
        raise ValueError(f"task: expected the task of the recordings, of {cells} cells, found {found}")
    content = page_numbers(study, replays, trained_segments) | page_episodes(study, replays, task)
    page = _page(content, [])
    left = limit - len(page)
    taken = []
    for piece in pieces(study, replays):
        left -= len(piece) + 3  # quotes and comma
        if left < 0:
            break
        taken.append(piece)
    return _page(content, taken) if taken else page


def _page(content: dict[str, object], taken: list[str]) -> bytes:
    """Returns the page with some pieces of segments."""
    folder = files(__package__)
    data = json.dumps(content | {"pieces": taken}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (
        Template(folder.joinpath("page.html").read_text("utf-8"))
        .substitute(
            title=html.escape(f"Halting policies on {content['task']}"),
            style=folder.joinpath("page.css").read_text("utf-8"),
            plotly=folder.joinpath("plotly-basic.min.js").read_text("utf-8"),
            scripts="\n".join(folder.joinpath(name).read_text("utf-8") for name in _SCRIPTS),
            content=data.replace("<", "\\u003c"),  # a name may not end the element
        )
        .encode()
    )
