"""``python -m train watch``: see an agent solve puzzles, segment by segment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tqdm import tqdm

from hrm_env.files import atomic_write, check_writable

from .options import integer, number, parsed
from .trained import Trained

if TYPE_CHECKING:
    from hrm_agent.inference.frames import Frame
    from hrm_env.drawing.window import Window
    from hrm_env.task import PuzzleTask

    Outlet = Callable[[PuzzleTask, Iterable[Frame]], None]

_LAST = 4  # the answer that is handed in stands so many times longer


@dataclass(frozen=True)
class Watch(Trained):
    """See an agent solve puzzles, segment by segment.

    Attributes:
        puzzles: How many to show.
        first: Number of the first one; counted through all tasks before a second variant of one.
        pause: Seconds between segments.
        to: Where to: "terminal", "window", a film .gif or .mp4, or a picture .png with a strip for each puzzle.
        strip: Segments that a strip of the picture shows, at most, evenly spread.
    """

    puzzles: Annotated[int, integer(1)] = 3
    first: Annotated[int, integer(0)] = 0
    pause: Annotated[float, number(0)] = 0.5
    to: str = "terminal"
    strip: Annotated[int, integer(1)] = 8


def main(arguments: list[str]) -> None:
    """Parses the options and shows the puzzles."""
    options: Watch = parsed(Watch, arguments, "watch")
    import torch

    from hrm_agent.inference.frames import frames

    torch.set_num_threads(1)
    show = outlet(options.to, options.pause, options.strip)
    model, env = options.load(num_envs=1)
    count = len(env.rules.puzzles)
    if options.first >= count:
        raise ValueError(f"--first: expected 0 to {count - 1}, found {options.first}")
    shown = env.rules.puzzles.round_robin()[options.first : options.first + options.puzzles].tolist()
    agent = model.policy.acting_core, model.halting, env
    learned = model.config.learner.learns_q_continue
    show(env.rules.task, chain.from_iterable(frames(*agent, index, learned) for index in shown))


def outlet(to: str, pause: float, strip: int) -> Outlet:
    """What shows frames where ``--to`` says: ``pause`` seconds each, or ``strip`` segments of a puzzle in a picture."""
    from hrm_agent.inference.frames import captioned
    from hrm_env.drawing.window import Window

    from .film import film_writer

    if to == "terminal":
        return lambda task, shown: _print(task, shown, pause)
    if to == "window":
        window = Window("hrm-gym")
        return lambda task, shown: _show(task, shown, pause, window)
    path = Path(to)
    check_writable("--to", path)
    if path.suffix == ".png":
        return lambda task, shown: _draw(task, shown, path, strip)
    write = film_writer(path)

    def save(task: PuzzleTask, shown: Iterable[Frame]) -> None:
        film = [(captioned(task, frame), _seconds(frame, pause)) for frame in _counted(shown)]
        write(film)
        print(f"{path}: {len(film)} frames")

    return save


def _print(task: PuzzleTask, shown: Iterable[Frame], pause: float) -> None:
    from hrm_env.drawing import write_puzzle

    for frame in shown:
        if frame.answer is None:
            print(f"\nPuzzle {frame.index}")
        else:
            time.sleep(pause)
            print(f"\nsegment {frame.segment} of {frame.budget}: {frame.belief}")
        solution = None if frame.answer is None else frame.solution
        print(write_puzzle(task, frame.inputs, frame.answer, solution, frame.previous))
        if frame.halted:
            print(frame.ending)


def _draw(task: PuzzleTask, shown: Iterable[Frame], path: Path, strip: int) -> None:
    from PIL import Image

    from hrm_agent.sb3.dashboard_figures import thinking_picture

    puzzles = [list(seen) for _, seen in groupby(_counted(shown), lambda frame: frame.index)]
    longest = max(len(seen) - 1 for seen in puzzles)
    picture = Image.fromarray(thinking_picture(task, puzzles, min(strip, longest)))
    with atomic_write(path) as file:
        picture.save(file, "PNG")
    print(f"{path}: {len(puzzles)} puzzles")


def _show(task: PuzzleTask, shown: Iterable[Frame], pause: float, window: Window) -> None:
    from hrm_agent.inference.frames import captioned

    for frame in shown:
        window.show(captioned(task, frame), _seconds(frame, pause))
        if window.closed:
            return
    window.wait()
    window.close()


def _counted(shown: Iterable[Frame]) -> Iterable[Frame]:
    """The frames; where they take longer than a second, their number is shown as it grows."""
    counted: Iterable[Frame] = tqdm(shown, "thinking", unit=" frames", delay=1, leave=False)
    return counted


def _seconds(frame: Frame, pause: float) -> float:
    return pause * (_LAST if frame.halted else 1)
