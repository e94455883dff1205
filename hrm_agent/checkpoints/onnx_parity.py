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


@dataclass(frozen=True)
class Comparison:
    """How far ONNX Runtime is from torch, and both are from exact numbers, over the segments of an episode.

    A difference is the largest of a puzzle, ``(B,)``, relative where a number is above 1.

    Attributes:
        alone: By output, the difference from torch of each segment alone, which begins with torch's carry.
        in_a_row: By output, the difference from torch where ONNX Runtime goes on from its own carry, so that
            differences add up over the segments.
        torch: Difference of torch's logits from those of the same network in float64, in a row.
        onnx: The same of ONNX Runtime. Where both are equally far, they differ by the rounding of float32, and not by
            the graph.
        same_answers: Share of the answers of all segments in which both agree in every cell, in a row.
    """

    alone: Arrays
    in_a_row: Arrays
    torch: npt.NDArray[np.float64]
    onnx: npt.NDArray[np.float64]
    same_answers: float


def compare(segment: Segment, path: str | Path, puzzles: PuzzleBatch, count: int) -> Comparison:
    """Compares ONNX Runtime, torch, and torch in float64 on the first segments of puzzles.

    Args:
        segment: What was exported.
        path: The file.
        puzzles: Puzzles of its task.
        count: Number of segments.
    """
    compute, own_feed = onnx_segment(path), first_feed(segment, puzzles)
    torch_feed = own_feed
    alone, in_a_row, from_exact, same = [], [], [], []
    pairs = zip(exact_logits(segment, puzzles, count), torch_segments(segment, puzzles, count), strict=True)
    for exact, expected in pairs:
        found = compute(own_feed)
        alone.append(_all_differences(compute(torch_feed), expected))
        in_a_row.append(_all_differences(found, expected))
        from_exact.append([_differences(each["logits"], exact) for each in (expected, found)])
        same.append((expected["logits"].argmax(-1) == found["logits"].argmax(-1)).all(-1).mean())
        own_feed, torch_feed = next_feed(own_feed, found), next_feed(torch_feed, expected)
    of_torch, of_onnx = np.max(from_exact, axis=0)
    return Comparison(_largest(alone), _largest(in_a_row), of_torch, of_onnx, float(np.mean(same)))


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


def _all_differences(found: Arrays, expected: Arrays) -> Arrays:
    return {name: _differences(found[name], numbers) for name, numbers in expected.items()}


def _largest(of_segments: list[Arrays]) -> Arrays:
    return {name: np.max([each[name] for each in of_segments], axis=0) for name in of_segments[0]}
