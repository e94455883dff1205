"""``python -m train watch``: see an agent solve puzzles, segment by segment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
import tyro

from hrm_agent.thinking import Frame, captioned, frames
from hrm_env.task import PuzzleTask
from hrm_env.window import Window
from train.film import film_writer
from train.trained import Trained

Outlet = Callable[[PuzzleTask, Iterable[Frame]], None]

_LAST = 4  # the answer that is handed in stands so many times longer


@dataclass(frozen=True)
class Watch(Trained):
    """See an agent solve puzzles, segment by segment.

    Attributes:
        puzzles: How many to show.
        first: Number of the first one.
        pause: Seconds between segments.
        to: Where to: "terminal", "window", or a file .gif or .mp4.
    """

    puzzles: int = 3
    first: int = 0
    pause: float = 0.5
    to: str = "terminal"


def main(arguments: list[str]) -> None:
    """Parses the options and shows the puzzles."""
    options = tyro.cli(Watch, args=arguments, prog="python -m train watch")
    if options.puzzles < 1:
        raise ValueError(f"--puzzles: expected at least 1, found {options.puzzles}")
    if options.pause < 0:
        raise ValueError(f"--pause: expected at least 0, found {options.pause}")
    torch.set_num_threads(1)
    show = outlet(options.to, options.pause)
    model, env = options.load(num_envs=1)
    count = len(env.rules.puzzles)
    if not 0 <= options.first < count:
        raise ValueError(f"--first: expected 0 to {count - 1}, found {options.first}")
    shown = range(options.first, min(options.first + options.puzzles, count))
    show(env.rules.task, chain.from_iterable(frames(model, env, index) for index in shown))


def outlet(to: str, pause: float) -> Outlet:
    """What shows frames at the place that ``--to`` names, ``pause`` seconds each."""
    if to == "terminal":
        return lambda task, shown: _print(task, shown, pause)
    if to == "window":
        window = Window("hrm-gym")
        return lambda task, shown: _show(task, shown, pause, window)
    path, write = Path(to), film_writer(Path(to))

    def save(task: PuzzleTask, shown: Iterable[Frame]) -> None:
        film = [(captioned(task, frame), _seconds(frame, pause)) for frame in shown]
        write(film)
        print(f"{path}: {len(film)} frames")

    return save


def _print(task: PuzzleTask, shown: Iterable[Frame], pause: float) -> None:
    for frame in shown:
        if frame.answer is None:
            print(f"\nPuzzle {frame.index}")
        else:
            time.sleep(pause)
            print(f"\nsegment {frame.segment} of {frame.budget}: {frame.belief}{', halts' if frame.halted else ''}")
        solution = None if frame.answer is None else frame.solution
        print(task.to_text(frame.inputs, frame.answer, solution, frame.previous))
        if frame.halted:
            print(frame.verdict)


def _show(task: PuzzleTask, shown: Iterable[Frame], pause: float, window: Window) -> None:
    for frame in shown:
        window.show(captioned(task, frame), _seconds(frame, pause))
        if window.closed:
            return
    window.wait()
    window.close()


def _seconds(frame: Frame, pause: float) -> float:
    return pause * (_LAST if frame.halted else 1)
