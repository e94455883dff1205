"""Halting metrics. c_m: the answer after segment m is right; τ: halting segment; M: budget; τ*: first m with c_m = 1.

``correct (N, M)`` is c_m of every puzzle at every segment of a recording; with several views, of any view.
``segments (N,)`` is τ. ``exact (N,)`` tells whether the answer given at τ is right; for one view it is c_τ.

Most metrics are means over puzzles. Their functions return the value of each puzzle, ``(N,)``, from which
`hrm_agent.study.bootstrap` computes intervals.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hrm_agent.study.ranks import spearman
from hrm_agent.study.reliability import q_summary

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Value = TypeVar("Value", bound=np.generic)


def at_halt(values: npt.NDArray[Value], segments: Ints) -> npt.NDArray[Value]:
    """Returns ``values (N, M)`` at the halting segment, ``(N,)``: c_τ from c_m, or q_τ from q_m."""
    return np.asarray(values[np.arange(len(values)), segments - 1])


def first_right(correct: Bools) -> Ints:
    """Returns τ*, the first segment whose answer is right, ``(N,)``; M + 1 if none is."""
    never = correct.shape[1] + 1
    return np.asarray(np.where(correct.any(1), correct.argmax(1) + 1, never))


def last_right(correct: Bools) -> Ints:
    """Returns the last segment whose answer is right, ``(N,)``; 0 if none is."""
    return np.asarray(correct.shape[1] + 1 - first_right(correct[:, ::-1]))


def q_right(q_halt: npt.NDArray[np.floating], exact: Bools) -> Bools:
    """Returns 1{q_τ ≥ 0} = c_τ, ``(N,)``: the Q head is right about the answer (q_halt_accuracy of HRM)."""
    return np.equal(q_halt >= 0, exact)


def oracle_gap(correct: Bools, exact: Bools) -> Ints:
    """Returns 1{∃ m: c_m = 1} − c_τ, ``(N,)``: the loss against an oracle that halts at the first right answer."""
    return np.subtract(correct.any(1), exact, dtype=np.int64)


def step_regret(correct: Bools, segments: Ints) -> Ints:
    """Returns (τ − τ*)₊, ``(N,)``: segments spent after the first right answer; 0 for a puzzle that is never right."""
    return np.asarray(np.maximum(segments - first_right(correct), 0))


def premature(correct: Bools, segments: Ints, exact: Bools) -> Bools:
    """Returns c_τ = 0 and ∃ m > τ: c_m = 1, ``(N,)``: halted on a wrong answer that becomes right later."""
    return ~exact & (last_right(correct) > segments)


def late(correct: Bools, segments: Ints, exact: Bools) -> Bools:
    """Returns τ > τ* and c_τ = 1, ``(N,)``: right, but already right before."""
    return exact & (segments > first_right(correct))


def overthinking(correct: Bools) -> Bools:
    """Returns ∃ m: c_m = 1 and c_M = 0, ``(N,)``: a right answer is lost again by the end of the budget.

    This is destructive overthinking (Kaya et al., arXiv 1810.07052, section 4.2), a property of the agent and not of
    the policy.
    """
    return np.asarray(correct.any(1) & ~correct[:, -1])


def settling(values: npt.NDArray[np.generic]) -> Ints:
    """Returns the first segment after which nothing changes, 1..M, ``(N,)``: min {m: v_j = v_m for all j ≥ m}.

    Args:
        values: Correctness ``(N, M)``, which settles at 1 if never right, or answers ``(N, M, L)``.
    """
    changed = np.ones(values.shape[:2], np.bool_)  # the first segment changes the answer from nothing
    changed[:, 1:] = (values[:, 1:] != values[:, :-1]).any(axis=tuple(range(2, values.ndim)))
    return last_right(changed)


def flips(correct: Bools) -> tuple[Floats, Floats]:
    """Returns how often an answer turns wrong or right between m and m + 1, as shares of all puzzles.

    Returns:
        P(c_m = 1, c_{m+1} = 0) and P(c_m = 0, c_{m+1} = 1), ``(M − 1,)`` each. Their difference is the slope of
        P(c_m = 1).
    """
    before, after = correct[:, :-1], correct[:, 1:]
    return (before & ~after).mean(0), (~before & after).mean(0)


def per_solved(spent: npt.ArrayLike, exact: Bools) -> float:
    """Returns Σ spent / Σ c_τ: the cost of a solved puzzle, failures included; NaN if none is solved.

    Args:
        spent: Segments over all views, or seconds, for each puzzle ``(N,)`` or in total.
        exact: c_τ, ``(N,)``.
    """
    return float(np.sum(spent) / exact.sum()) if exact.any() else float("nan")


def per_puzzle(
    correct: Bools, segments: Ints, q_halt: npt.NDArray[np.floating], exact: Bools | None = None
) -> dict[str, npt.NDArray[np.generic]]:
    """Returns the value of each puzzle, ``(N,)``, for all metrics that are means over puzzles; `summary` has the means.

    Args:
        correct: c_m, ``(N, M)``.
        segments: τ, ``(N,)``.
        q_halt: Halting logits of every segment, ``(N, M)``, or at τ, ``(N,)``.
        exact: Whether the answer given at τ is right, ``(N,)``; c_τ by default.

    Raises:
        ValueError: Shapes do not fit, or a segment lies outside 1..M.
    """
    _check(correct, segments)
    exact = at_halt(correct, segments) if exact is None else exact
    q_halt = at_halt(q_halt, segments) if q_halt.ndim == 2 else q_halt
    return {
        "exact": exact,
        "segments_mean": segments,
        "q_halt_accuracy": q_right(q_halt, exact),
        "oracle_accuracy": np.asarray(correct.any(1)),
        "oracle_gap": oracle_gap(correct, exact),
        "step_regret": step_regret(correct, segments),
        "premature": premature(correct, segments, exact),
        "late": late(correct, segments, exact),
        "overthinking": overthinking(correct),
        "settling_mean": settling(correct),
    }


def summary(
    correct: Bools,
    segments: Ints,
    q_halt: npt.NDArray[np.floating],
    rating: npt.ArrayLike,
    exact: Bools | None = None,
    work: Ints | None = None,
) -> dict[str, float]:
    """Returns every scalar metric; NaN where it is undefined.

    Args:
        correct: c_m, ``(N, M)``.
        segments: τ, ``(N,)``.
        q_halt: Halting logits of every segment, ``(N, M)``, or at τ, ``(N,)``.
        rating: Difficulty, ``(N,)``.
        exact: Whether the answer given at τ is right, ``(N,)``; c_τ by default.
        work: Segments computed over all views, ``(N,)``; τ by default.

    Returns:
        The means of `per_puzzle`; ``segments_median`` and ``segments_p95`` of τ; ``segments_rating_spearman``, the rank
        correlation of τ with difficulty; ``segments_per_solved``; ``flips_lost`` and ``flips_gained``, how often an
        answer turns wrong or right, per puzzle; and `reliability.q_summary` at τ.

    Raises:
        ValueError: Shapes do not fit, or a segment lies outside 1..M.
    """
    values = per_puzzle(correct, segments, q_halt, exact)
    exact = values["exact"].astype(bool)
    lost, gained = flips(correct)
    return {
        **{name: float(value.mean(dtype=np.float64)) for name, value in values.items()},
        "segments_median": float(np.median(segments)),
        "segments_p95": float(np.percentile(segments, 95)),
        "segments_rating_spearman": spearman(segments, rating),
        "segments_per_solved": per_solved(segments if work is None else work, exact),
        "flips_lost": float(lost.sum()),
        "flips_gained": float(gained.sum()),
        **q_summary(at_halt(q_halt, segments) if q_halt.ndim == 2 else q_halt, exact),
    }


def _check(correct: Bools, segments: Ints) -> None:
    if correct.ndim != 2 or segments.shape != correct.shape[:1]:
        raise ValueError(f"metrics: expected correct (N, M) and segments (N,), found {correct.shape}, {segments.shape}")
    if not len(segments) or segments.min() < 1 or segments.max() > correct.shape[1]:
        found = f"{segments.min()} to {segments.max()}" if len(segments) else "none"
        raise ValueError(f"metrics: expected halting segments from 1 to {correct.shape[1]}, found {found}")
