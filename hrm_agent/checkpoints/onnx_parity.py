"""Compares a segment in ONNX Runtime with the same segment in torch, over all segments of an episode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hrm_agent.checkpoints.onnx_file import BEFORE, NEXT, Segment
from hrm_env.extras import optional
from hrm_env.task import PuzzleBatch

Arrays = dict[str, npt.NDArray[Any]]


def torch_segments(segment: Segment, puzzles: PuzzleBatch, count: int) -> Iterator[Arrays]:
    """Yields the outputs of the first segments of puzzles, as torch computes them."""
    arguments = segment.first_inputs(puzzles.inputs, puzzles.puzzle_id)
    for _ in range(count):
        with torch.no_grad():
            found = segment(**arguments)
        carry = {name.removeprefix(NEXT): part for name, part in found.items() if name.startswith(NEXT)}
        going = torch.zeros_like(arguments["start"])
        arguments |= {"start": going, "last_logits": found["logits"], "carry": carry}
        yield {name: part.numpy() for name, part in found.items()}


def onnx_segment(path: str | Path) -> Callable[[Arrays], Arrays]:
    """Returns the function of a file, from its inputs to its outputs, in ONNX Runtime.

    Raises:
        DependencyNotInstalled: The extra ``onnx`` is not installed.
    """
    session = optional("onnxruntime", "onnx").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda feed: dict(zip(names, session.run(names, feed), strict=True))


def first_feed(segment: Segment, puzzles: PuzzleBatch) -> Arrays:
    """Returns the inputs of the first segment of puzzles."""
    arguments = segment.first_inputs(puzzles.inputs, puzzles.puzzle_id)
    carry = {f"{BEFORE}{name}": part for name, part in arguments.pop("carry").items()}
    return {name: part.numpy() for name, part in (arguments | carry).items()}


def next_feed(feed: Arrays, found: Arrays) -> Arrays:
    """Returns the inputs of the segment after the one with these inputs and outputs."""
    carry = {f"{BEFORE}{name.removeprefix(NEXT)}": part for name, part in found.items() if name.startswith(NEXT)}
    return feed | carry | {"start": np.zeros_like(feed["start"]), "last_logits": found["logits"]}


def largest_differences(
    segment: Segment, path: str | Path, puzzles: PuzzleBatch, count: int, own_carry: bool = True
) -> dict[str, npt.NDArray[np.float64]]:
    """Returns the largest difference of each output for each puzzle, ``(B,)``, relative where a number is above 1.

    Args:
        segment: What was exported.
        path: The file.
        puzzles: Puzzles of its task.
        count: Number of segments.
        own_carry: Let ONNX Runtime go on from its own carry, so that differences add up over the segments; else from
            torch's, so that each segment is compared alone.
    """
    compute, feed = onnx_segment(path), first_feed(segment, puzzles)
    worst: dict[str, npt.NDArray[np.float64]] = {}
    for expected in torch_segments(segment, puzzles, count):
        found = compute(feed)
        for name, numbers in expected.items():
            exact = numbers.astype(np.float64)
            difference = np.abs(found[name] - exact) / np.maximum(np.abs(exact), 1)
            of_row = difference.reshape(len(exact), -1).max(1)
            worst[name] = np.maximum(worst.get(name, 0.0), of_row)
        feed = next_feed(feed, found if own_carry else expected)
    return worst
