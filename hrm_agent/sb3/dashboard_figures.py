"""Pictures of a sweep: figures, and strips that show puzzles segment by segment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from hrm_agent.inference.evaluation import Evaluation
from hrm_agent.inference.frames import Frame
from hrm_agent.study.figures.style import BLUE, FAINT, RED, house_style, new_figure, percent
from hrm_env.drawing import GREEN as SOLVED
from hrm_env.drawing import RED as NOT_SOLVED
from hrm_env.drawing import Line, Picture, draw_puzzle, side_by_side, with_caption
from hrm_env.task import PuzzleTask

_TILE, _LETTERS = 180, 13  # pixels: the shorter side of a tile of a strip, the size of its caption


@house_style()
def accuracy_by_segment_figure(evaluation: Evaluation) -> Figure:
    """Draws the share solved after every segment, above the shares of puzzles that halt there, right and wrong.

    Args:
        evaluation: The sweep; a puzzle keeps the answer it halted with.
    """
    count, budget = len(evaluation.exact), len(evaluation.right_by_segment)
    segment = np.arange(1, budget + 1)
    wrong, right = (
        np.bincount(evaluation.segments[evaluation.exact == outcome], minlength=budget + 1)[1:] / count
        for outcome in (False, True)
    )
    figure = new_figure(4.8, 3.6)
    axes = figure.subplots()
    axes.bar(segment, right, width=0.7, color=FAINT, label="halts here, right")
    axes.bar(segment, wrong, width=0.7, bottom=right, color=RED, label="halts here, wrong")
    axes.plot(segment, evaluation.right_by_segment / count, marker="o", color=BLUE, label="solved after segment m")
    axes.set(xlabel="segment m", xlim=(0.4, budget + 0.6), ylim=(0, 1.03), title=f"{count:,} puzzles")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))
    axes.yaxis.set_major_formatter(percent)
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


@house_style()
def pixels(figure: Figure) -> Picture:
    """Returns a figure as a picture ``(H, W, 3)``."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def thinking_picture(task: PuzzleTask, puzzles: Sequence[Sequence[Frame]], segments: int) -> Picture:
    """Draws a strip of pictures for each puzzle: the question, then the answer after every segment until the halt.

    The size depends only on the task and on the number of puzzles and segments.

    Args:
        task: The puzzle family.
        puzzles: Frames of each puzzle.
        segments: Segments in a strip, evenly spread if a puzzle took more; a shorter strip ends in white.
    """
    strips = []
    for seen in puzzles:
        tiles = [_tile(task, seen[at]) for at in _spread(len(seen) - 1, segments)]
        blank = np.full_like(tiles[0], 255)
        strips.append(side_by_side(tiles + [blank] * (segments + 1 - len(tiles))))
    lies = strips[0].shape[1] > strips[0].shape[0]
    return np.concatenate(strips, axis=0 if lies else 1)


def _spread(last: int, count: int) -> list[int]:
    """Returns 0, and at most ``count`` numbers from 1 to ``last``, evenly spread, with both ends."""
    chosen: npt.NDArray[np.int64] = np.linspace(1, last, min(last, count)).round().astype(int)
    return [0, *chosen.tolist()]


def _tile(task: PuzzleTask, frame: Frame) -> Picture:
    """Draws a frame, with the segment, σ(q_halt) and the verdict below it."""
    whole = Image.fromarray(draw_puzzle(task, frame.inputs, frame.answer, frame.solution))
    scale = _TILE / min(whole.size)
    picture = np.array(
        whole.resize((round(whole.width * scale), round(whole.height * scale)), Image.Resampling.LANCZOS)
    )
    if frame.answer is None:
        lines = [Line(f"puzzle {frame.index}"), Line("")]
    else:
        lines = [
            Line(f"segment {frame.segment}", f"Q {frame.q_halt:.2f}"),
            Line("", frame.ending, SOLVED if frame.solved else NOT_SOLVED),
        ]
    return with_caption(picture, lines, _LETTERS)
