"""Exactly-once evaluation: every puzzle once, halting honoured, finished rows refilled or dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor
from tqdm import tqdm

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.distributed import rank, sum_over_ranks, world_size
from hrm_agent.halting.policy import HaltingPolicy
from hrm_agent.inference.reasoner import Reasoner, SegmentResult
from hrm_env.envs.grading import Grade
from hrm_env.envs.spaces import pack_action
from hrm_env.envs.vector import PuzzleVectorEnv

BATCH_SIZES = 16
"""How many sizes a batch may have while it shrinks."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of one sweep over N puzzles; arrays are in the order of the source.

    Attributes:
        exact: Right where the agent chose to halt, ``(N,)`` bool.
        valid: The task's own check accepts the answer there, whatever the stored solution, ``(N,)`` bool.
        cells: Share of right cells there, ``(N,)``.
        answer: The answer there, ``(N, L)`` uint8.
        segments: Segments used, ``(N,)``.
        work: Segments computed, over all views of the policy, ``(N,)``; with one view the same as `segments`.
        q_halt: Logit of halting at that segment, ``(N,)``.
        right_by_segment: Right answers after 1, 2, ... M_max segments, where a puzzle keeps the answer it halted with,
            ``(M_max,)`` counts.
        seconds: Wall time of the sweep.
    """

    exact: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]
    cells: npt.NDArray[np.float32]
    answer: npt.NDArray[np.uint8]
    segments: npt.NDArray[np.int64]
    work: npt.NDArray[np.int64]
    q_halt: npt.NDArray[np.float32]
    right_by_segment: npt.NDArray[np.int64]
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Scalars to print, log and write as JSON."""
        return {
            "puzzles": len(self.exact),
            "exact": float(self.exact.mean()),
            "valid": float(self.valid.mean()),
            "cell_accuracy": float(self.cells.mean()),
            "segments_mean": float(self.segments.mean()),
            "segments_median": float(np.median(self.segments)),
            "segments_p95": float(np.percentile(self.segments, 95)),
            "work_mean": float(self.work.mean()),
            "q_halt_accuracy": float(((self.q_halt >= 0) == self.exact).mean()),
            "accuracy_by_segment": [float(count / len(self.exact)) for count in self.right_by_segment],
            "puzzles_per_second": len(self.exact) / self.seconds,
        }


def evaluate(
    core: ReasoningCore, halting: HaltingPolicy, env: PuzzleVectorEnv, progress_bar: bool = False
) -> Evaluation:
    """Sweeps all puzzles of an environment made with ``order="once"``.

    A slot that finishes takes the next puzzle; when none are left the batch shrinks, in steps, to the rows that still
    think. The figures do not depend on the number of slots. Of several processes each sweeps its share, and all get the
    figures of the whole.

    Args:
        core: The network.
        halting: The policy that decides when to stop.
        env: Made by ``gym.make_vec(id, num_envs=B, order="once", ...)``, on the core's device.
        progress_bar: Show a bar where it takes longer than a second, in the first of several processes.

    Raises:
        ValueError: The environment is none of `check_sweep`.
    """
    check_sweep("evaluate", env)
    count, budget = len(env.rules.puzzles), env.rules.max_segments
    exact, cells = np.zeros(count, np.bool_), np.zeros(count, np.float32)
    asked, answers = np.zeros((2, count, env.rules.task.spec.seq_len), np.uint8)
    segments, work = np.zeros((2, count), np.int64)
    q_halt = np.zeros(count, np.float32)
    right = np.zeros(budget, np.int64)
    started = time.perf_counter()
    shard = rank(), world_size()
    mine, hidden = slice(shard[0], None, shard[1]), not progress_bar or rank() > 0
    bar = tqdm(total=len(exact[mine]), desc="evaluating", unit=" puzzles", delay=1, leave=False, disable=hidden)
    for puzzles, inputs, segment, active, result, grades in _sweep(core, halting, env, shard):
        np.add.at(right, segment[grades.exact & ~result.done & active].cpu().numpy(), 1)
        done = (result.done & active).nonzero().squeeze(1)
        index = puzzles[done].cpu().numpy()
        exact[index], cells[index] = grades.exact[done].cpu().numpy(), grades.cells[done].cpu().numpy()
        asked[index], answers[index] = inputs[done].cpu().numpy(), result.answer[done].cpu().numpy()
        segments[index] = segment[done].cpu().numpy() + 1
        work[index] = result.work[done].cpu().numpy()
        q_halt[index] = result.q_halt[done].cpu().numpy()
        bar.update(len(index))
    bar.close()
    spent = np.zeros(shard[1])
    spent[shard[0]] = time.perf_counter() - started
    # a puzzle that halted keeps its answer for all later segments
    right += np.cumsum(np.bincount(segments[exact] - 1, minlength=budget))
    valid = np.zeros_like(exact)
    valid[mine] = _checked(env, asked[mine], answers[mine])
    parts = (exact, valid, cells, answers, segments, work, q_halt, right, spent)
    exact, valid, cells, answers, segments, work, q_halt, right, spent = _summed(parts)
    return Evaluation(exact, valid, cells, answers, segments, work, q_halt, right, float(spent.max()))


class _SweptSegment(NamedTuple):
    """One segment of the B slots that the batch still holds.

    Attributes:
        puzzles: Row of each puzzle in the source, ``(B,)``.
        inputs: The puzzles, ``(B, L)``.
        segment: Segments used before this one, ``(B,)``.
        active: Slots that hold a puzzle, ``(B,)`` bool.
        result: What the agent answers and decides.
        grades: How right the environment finds the answers.
    """

    puzzles: Tensor
    inputs: Tensor
    segment: Tensor
    active: Tensor
    result: SegmentResult
    grades: Grade


def _sweep(
    core: ReasoningCore, halting: HaltingPolicy, env: PuzzleVectorEnv, shard: tuple[int, int]
) -> Iterator[_SweptSegment]:
    """Yields every segment of all puzzles of a shard; a slot that finishes takes the next puzzle."""
    _, info = env.reset_tensors(seed=0, options={"shard": shard})
    rows = info["active"].nonzero().squeeze(1)
    reasoner = Reasoner(core, halting, env.rules.max_segments, len(rows), env.rules.task)
    unit = max(1, len(rows) // BATCH_SIZES)
    action = torch.zeros(env.action_space.shape, dtype=torch.long, device=env.device)  # type: ignore[arg-type]
    while bool(info["active"].any()):
        still = rows_to_keep(info["active"][rows], unit)
        if len(still) < len(rows):
            reasoner.keep(still)
            rows = rows[still]
        index, active = info["index"][rows], info["active"][rows]
        inputs, solution, puzzle_id, segment = (part[rows] for part in (*env.current()[0], env.current()[1]))
        result = reasoner.think(inputs, puzzle_id, (segment == 0) & active, segment, solution)
        action[rows] = pack_action(result.answer, result.halt)
        info = env.step_tensors(action)[4]
        grades = Grade(*(info["final_info"][name][rows] for name in ("exact", "cell_accuracy")))
        yield _SweptSegment(index, inputs, segment, active, result, grades)


def check_sweep(whose: str, env: PuzzleVectorEnv) -> None:
    """Refuses an environment whose puzzles are not handed out once each, as they are, one after another in a slot.

    Random variants would be others for another number of slots.

    Raises:
        ValueError: Begins with ``whose``.
    """
    if env.rules.order != "once" or env.rules.augment:
        found = f"order={env.rules.order!r}, augment={env.rules.augment}"
        raise ValueError(f'{whose}: expected an environment made with order="once", augment=False, found {found}')
    if env.autoreset_mode is not AutoresetMode.SAME_STEP:
        raise ValueError(f"{whose}: expected autoreset_mode SameStep, found {env.autoreset_mode.value}")


def _summed(parts: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """What one process would have found: what another one swept is zero in this one's arrays."""
    numbers = [part.view(np.uint8) if part.dtype == np.bool_ else part for part in parts]
    total = sum_over_ranks([torch.from_numpy(number) for number in numbers])
    return [tensor.numpy().view(part.dtype) for tensor, part in zip(total, parts, strict=True)]


def rows_to_keep(active: Tensor, unit: int) -> Tensor:
    """The rows to go on with, ascending: the active ones and, up to a multiple of ``unit``, idle ones.

    A batch size that was not met before leaves something in memory for good, such as the kernels made for it and holes
    in the heap; so a batch shrinks in steps.

    Args:
        active: Rows that hold a puzzle, ``(B,)`` bool.
        unit: Rows in a step of shrinking.
    """
    count = min(len(active), -(-int(active.sum()) // unit) * unit)
    return active.int().argsort(descending=True, stable=True)[:count].sort().values


def _checked(
    env: PuzzleVectorEnv, asked: npt.NDArray[np.uint8], answers: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """What the task's own check says of all answers ``(N, L)``, as many at a time as the environment has slots."""
    checks = [np.zeros(0, np.bool_)]
    for start in range(0, len(asked), env.num_envs):
        rows = slice(start, start + env.num_envs)
        inputs, answer = (torch.from_numpy(tokens[rows]).to(env.device).long() for tokens in (asked, answers))
        checks.append(env.rules.task.check(inputs, answer).cpu().numpy())
    return np.concatenate(checks)
