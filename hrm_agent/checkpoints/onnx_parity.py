"""Compares a segment in ONNX Runtime with the same segment in torch, over all segments of an episode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hrm_agent.checkpoints.onnx_file import BEFORE, NEXT, Segment, in_precision
from hrm_agent.cores.carry import map_parts
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
            worst[name] = np.maximum(worst.get(name, 0.0), _differences(found[name], numbers))
        feed = next_feed(feed, found if own_carry else expected)
    return worst


@dataclass(frozen=True)
class Rounding:
    """How far two programs in float32 are from the same network in float64, over all segments in a row.

    Attributes:
        torch: Largest difference of the logits for each puzzle, ``(B,)``, of torch in float32.
        onnx: The same of ONNX Runtime.
        same_answers: Share of the answers of all segments in which both programs agree in every cell.
    """

    torch: npt.NDArray[np.float64]
    onnx: npt.NDArray[np.float64]
    same_answers: float


def rounding(segment: Segment, path: str | Path, puzzles: PuzzleBatch, count: int) -> Rounding:
    """Returns how far torch and ONNX Runtime are from exact numbers, each going on from its own carry.

    Where both are equally far, a difference between them is the rounding of float32, and not the graph's.

    Args:
        segment: What was exported.
        path: The file.
        puzzles: Puzzles of its task.
        count: Number of segments.
    """
    compute, feed = onnx_segment(path), first_feed(segment, puzzles)
    of_torch, of_onnx = np.zeros((2, len(puzzles.inputs)))
    same = []
    pairs = zip(exact_logits(segment, puzzles, count), torch_segments(segment, puzzles, count), strict=True)
    for exact, in_torch in pairs:
        in_onnx = compute(feed)
        of_torch = np.maximum(of_torch, _differences(in_torch["logits"], exact))
        of_onnx = np.maximum(of_onnx, _differences(in_onnx["logits"], exact))
        same.append((in_torch["logits"].argmax(-1) == in_onnx["logits"].argmax(-1)).all(-1).mean())
        feed = next_feed(feed, in_onnx)
    return Rounding(of_torch, of_onnx, float(np.mean(same)))


def exact_logits(segment: Segment, puzzles: PuzzleBatch, count: int) -> Iterator[npt.NDArray[Any]]:
    """Yields the logits ``(B, L, V)`` of the first segments of puzzles, with states and weights in float64."""
    core = in_precision(segment.core, torch.float64)
    start = core.initial_carry(len(puzzles.inputs))
    carry = map_parts(lambda part: part.double() if part.is_floating_point() else part, start)
    for _ in range(count):
        with torch.no_grad():
            found = core(carry, puzzles.inputs, puzzles.puzzle_id)
        carry = found.carry
        yield found.logits.numpy()


def _differences(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Returns the largest difference of each row ``(B,)``, relative where a number is above 1."""
    exact = expected.astype(np.float64)
    difference = np.abs(found - exact) / np.maximum(np.abs(exact), 1)
    largest: npt.NDArray[np.float64] = difference.reshape(len(exact), -1).max(1)
    return largest
