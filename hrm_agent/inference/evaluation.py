"""Evaluation of every puzzle exactly once, with halting; finished rows are refilled or dropped."""

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
"""Number of sizes that a batch has, at most, while it shrinks."""


@dataclass(frozen=True)
class Evaluation:
    """Results of one sweep over N puzzles, in the order of the source.

    Attributes:
        right: Whether the final answer is right, handed in or not, ``(N,)`` bool.
        abstained: Whether the agent hands in nothing, ``(N,)`` bool.
        valid: Whether the task's own check accepts what is handed in, whatever the stored solution, ``(N,)`` bool.
        cells: Share of right cells in what is handed in, ``(N,)``.
        answer: What is handed in, ``(N, L)`` uint8: the final answer, that of the segment at which the agent halted or
            the budget ended; all `PAD_ID` if it abstains.
        segments: Segments used, ``(N,)``.
        work: Segments computed, over all views of the policy, ``(N,)``; with one view the same as `segments`.
        q_halt: Logit of halting at the last segment, ``(N,)``.
        right_by_segment: Number of right answers after 1, 2, ... M_max segments, ``(M_max,)``; a puzzle keeps its final
            answer.
        seconds: Wall time of the sweep.
    """

    right: npt.NDArray[np.bool_]
    abstained: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]
    cells: npt.NDArray[np.float32]
    answer: npt.NDArray[np.uint8]
    segments: npt.NDArray[np.int64]
    work: npt.NDArray[np.int64]
    q_halt: npt.NDArray[np.float32]
    right_by_segment: npt.NDArray[np.int64]
    seconds: float

    @property
    def exact(self) -> npt.NDArray[np.bool_]:
        """Whether the agent hands in the right answer, ``(N,)`` bool."""
        return self.right & ~self.abstained

    def summary(self) -> dict[str, Any]:
        """Returns scalars to print, log and write as JSON."""
        return {
            "puzzles": len(self.exact),
            "exact": float(self.exact.mean()),
            "abstained": float(self.abstained.mean()),
            "valid": float(self.valid.mean()),
            "cell_accuracy": float(self.cells.mean()),
            "segments_mean": float(self.segments.mean()),
            "segments_median": float(np.median(self.segments)),
            "segments_p95": float(np.percentile(self.segments, 95)),
            "work_mean": float(self.work.mean()),
            "q_halt_accuracy": float(((self.q_halt >= 0) == self.right).mean()),
            "accuracy_by_segment": [float(count / len(self.exact)) for count in self.right_by_segment],
            "puzzles_per_second": len(self.exact) / self.seconds,
        }


def evaluate(
    core: ReasoningCore,
    halting: HaltingPolicy,
    env: PuzzleVectorEnv,
    progress_bar: bool = False,
    shrink_below: float = 1.0,
) -> Evaluation:
    """Evaluates all puzzles of an environment made with ``order="once"``.

    A slot that finishes takes the next puzzle; when none are left, the batch shrinks, in steps, to the rows that are
    not finished. The results do not depend on the number of slots. Each of several processes sweeps its share of the
    puzzles, and all return the results for all puzzles.

    Args:
        core: The network.
        halting: The policy that decides when to stop.
        env: The environment of ``gym.make_vec(id, num_envs=B, order="once", ...)``, on the core's device.
        progress_bar: Show a bar if the sweep takes longer than a second, in the first of several processes.
        shrink_below: Share of slots in use below which the batch begins to shrink; compiled code needs a full batch.

    Raises:
        ValueError: `check_sweep` refuses the environment.
    """
    check_sweep("evaluate", env)
    count, budget = len(env.rules.puzzles), env.rules.max_segments
    right, abstained, valid = np.zeros((3, count), np.bool_)
    cells = np.zeros(count, np.float32)
    asked, answers = np.zeros((2, count, env.rules.task.spec.seq_len), np.uint8)
    segments, work = np.zeros((2, count), np.int64)
    q_halt = np.zeros(count, np.float32)
    right_by_segment = np.zeros(budget, np.int64)
    started = time.perf_counter()
    shard = rank(), world_size()
    mine, hidden = slice(shard[0], None, shard[1]), not progress_bar or rank() > 0
    bar = tqdm(total=len(right[mine]), desc="evaluating", unit=" puzzles", delay=1, leave=False, disable=hidden)
    for puzzles, inputs, segment, active, result, grades in _sweep(core, halting, env, shard, shrink_below):
        np.add.at(right_by_segment, segment[grades.exact & ~result.done & active].cpu().numpy(), 1)
        done = (result.done & active).nonzero().squeeze(1)
        index = puzzles[done].cpu().numpy()
        right[index], abstained[index] = grades.exact[done].cpu().numpy(), result.abstained[done].cpu().numpy()
        cells[index] = (grades.cells * ~result.abstained)[done].cpu().numpy()
        asked[index], answers[index] = inputs[done].cpu().numpy(), result.handed_in[done].cpu().numpy()
        segments[index] = segment[done].cpu().numpy() + 1
        work[index] = result.work[done].cpu().numpy()
        q_halt[index] = result.q_halt[done].cpu().numpy()
        bar.update(len(index))
    bar.close()
    spent = np.zeros(shard[1])
    spent[shard[0]] = time.perf_counter() - started
    # a puzzle that halted keeps its answer for all later segments
    right_by_segment += np.cumsum(np.bincount(segments[right & ~abstained] - 1, minlength=budget))
    valid[mine] = _checked(env, asked[mine], answers[mine])
    *figures, spent = _summed(
        (right, abstained, valid, cells, answers, segments, work, q_halt, right_by_segment, spent)
    )
    return Evaluation(*[*figures, float(spent.max())])


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
    core: ReasoningCore, halting: HaltingPolicy, env: PuzzleVectorEnv, shard: tuple[int, int], shrink_below: float
) -> Iterator[_SweptSegment]:
    """Yields every segment of all puzzles of a shard; a slot that finishes takes the next puzzle."""
    _, info = env.reset_tensors(seed=0, options={"shard": shard})
    rows = info["active"].nonzero().squeeze(1)
    reasoner = Reasoner(core, halting, env.rules.max_segments, len(rows), env.rules.task)
    slots, unit = len(rows), max(1, len(rows) // BATCH_SIZES)
    action = torch.zeros(env.action_space.shape, dtype=torch.long, device=env.device)  # type: ignore[arg-type]
    while bool(info["active"].any()):
        still = rows_to_keep(info["active"][rows], unit)
        if len(still) < min(len(rows), shrink_below * slots):
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
    """Refuses an environment that does not deal each puzzle once, unchanged, as soon as a slot is free.

    Random variants would depend on the number of slots.

    Args:
        whose: Name of the caller, for errors.
        env: The environment.

    Raises:
        ValueError: The environment has another order or autoreset mode, or augments puzzles.
    """
    if env.rules.order != "once" or env.rules.augment:
        found = f"order={env.rules.order!r}, augment={env.rules.augment}"
        raise ValueError(f'{whose}: expected an environment made with order="once", augment=False, found {found}')
    if env.autoreset_mode is not AutoresetMode.SAME_STEP:
        raise ValueError(f"{whose}: expected autoreset_mode SameStep, found {env.autoreset_mode.value}")


def _summed(parts: Sequence[npt.NDArray[Any]]) -> list[Any]:
    """Returns the arrays of all processes in one; puzzles that another process swept are zero in this one's arrays."""
    numbers = [part.view(np.uint8) if part.dtype == np.bool_ else part for part in parts]
    total = sum_over_ranks([torch.from_numpy(number) for number in numbers])
    return [tensor.numpy().view(part.dtype) for tensor, part in zip(total, parts, strict=True)]


def rows_to_keep(active: Tensor, unit: int) -> Tensor:
    """Returns the rows to keep, ascending: the active ones and, up to a multiple of ``unit``, idle ones.

    A batch shrinks in steps, because every new batch size takes memory that is not released, such as compiled kernels
    and holes in the heap.

    Args:
        active: Rows that hold a puzzle, ``(B,)`` bool.
        unit: Number of rows in a step of shrinking.
    """
    count = min(len(active), -(-int(active.sum()) // unit) * unit)
    return active.int().argsort(descending=True, stable=True)[:count].sort().values


def _checked(
    env: PuzzleVectorEnv, asked: npt.NDArray[np.uint8], answers: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Returns the task's own check of all answers ``(N, L)``, computed for as many at a time as there are slots."""
    checks = [np.zeros(0, np.bool_)]
    for start in range(0, len(asked), env.num_envs):
        rows = slice(start, start + env.num_envs)
        inputs, answer = (torch.from_numpy(tokens[rows]).to(env.device).long() for tokens in (asked, answers))
        checks.append(env.rules.task.check(inputs, answer).cpu().numpy())
    return np.concatenate(checks)
