"""Selective prediction: how often an agent answers, how often it is then wrong, and how well its Q head ranks answers.

An agent that answers only where it trusts itself has a coverage, the share of puzzles that it answers, and a selective
risk, the share of wrong answers among them (El-Yaniv and Wiener 2010). The risk-coverage curve shows the risk of the k
surest answers of N at coverage k/N, k = 1..N. Its mean over k is AURC (Geifman, Uziel and El-Yaniv, arXiv 1805.08206):
0 for an agent without a wrong answer, and close to the share of wrong answers for one that ranks at random. Answers are
ranked by Q_halt at the halting segment; answers of equal Q_halt are taken in random order, in expectation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hrm_agent.study.bootstrap import Resamples
from hrm_agent.study.metrics import Bools, Floats
from hrm_agent.study.replays import Replays


class Drawn(NamedTuple):
    """A figure of P policies: its value on all puzzles, ``(P,)``, and in every resample, ``(count, P)``."""

    value: Floats
    resampled: Floats


def risk_coverage(score: npt.ArrayLike, right: Bools) -> tuple[Floats, Floats]:
    """Returns the risk-coverage curve: coverage k/N and the risk of the k answers of highest score, ``(N,)`` each.

    Args:
        score: Trust in each answer, ``(N,)``.
        right: Whether the answer is right, ``(N,)``.
    """
    _, tie = np.unique(-np.asarray(score, np.float64), return_inverse=True)
    ends, errors = (np.cumsum(np.bincount(tie, weights)) for weights in (None, ~right))
    taken = np.arange(1, len(right) + 1)
    return taken / len(right), np.interp(taken, [0, *ends], [0, *errors]) / taken


def aurc(score: npt.ArrayLike, right: Bools, counts: npt.ArrayLike | None = None) -> Floats:
    """Returns AURC, the mean risk of `risk_coverage`, where puzzle i occurs ``counts[..., i]`` times.

    A wrong answer of rank r adds 1/k to the risk at every k ≥ r, and so (H_K − H_{r−1}) / K to the mean over K answers,
    where H is the harmonic number. The ranks of n answers of equal score, which follow A others, are A + 1 to A + n in
    random order, and the mean of H_{r−1} over them is a difference of sums of H.

    Args:
        score: Trust in each answer, ``(N,)``.
        right: Whether the answer is right, ``(N,)``.
        counts: Counts of each puzzle, ``(..., N)``; once each by default.

    Returns:
        The area for each row of counts, ``(...)``.
    """
    drawn = np.ones(len(right), np.float32) if counts is None else np.asarray(counts)
    trust = -np.asarray(score, np.float64)
    order = np.argsort(trust, kind="stable")
    taken = np.zeros((*drawn.shape[:-1], len(trust) + 1), np.int64)
    drawn.take(order, axis=-1).cumsum(-1, out=taken[..., 1:], dtype=np.int64)
    before, after = (taken[..., np.searchsorted(trust[order], trust[~right], side=side)] for side in ("left", "right"))
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, taken.max() + 1))])
    sums = np.concatenate([[0.0], np.cumsum(harmonic)])
    mean = (sums[after] - sums[before]) / np.maximum(after - before, 1)
    every = taken[..., -1:]
    return np.asarray((drawn[..., ~right] * (harmonic[every] - mean)).sum(-1) / every[..., 0], np.float64)


def selective_figures(replays: Replays, resamples: Resamples) -> dict[str, Drawn]:
    """Returns the figures of selective prediction of every policy, by name.

    ``coverage`` is the share of puzzles that the policy answers, ``risk`` the share of wrong answers among them (0
    where it answers none), ``full_accuracy`` the accuracy if it handed in every answer, and ``aurc`` the area under the
    risk-coverage curve of all these answers. All are means over seeds but ``risk``, which pools their answers.

    Args:
        replays: What every policy did.
        resamples: Resamples of the replayed puzzles.
    """
    answered, right = ~replays.abstained, replays.right
    columns = {"coverage": answered, "wrong": answered & ~right, "full_accuracy": right}
    found = {name: Drawn(values.mean((0, 2)), resamples.means(values)) for name, values in columns.items()}
    coverage, wrong = found["coverage"], found.pop("wrong")
    risk = Drawn(*(bad / np.where(every > 0, every, 1) for bad, every in zip(wrong, coverage, strict=True)))
    pairs = [list(zip(*seed, strict=True)) for seed in zip(replays.q_halt, right, strict=True)]  # (S, P)
    value = np.mean([[aurc(*pair) for pair in seed] for seed in pairs], axis=0)
    areas = [np.array([[aurc(*pair, counts) for pair in seed] for seed in pairs]) for counts in resamples.counts()]
    return found | {
        "risk": risk,
        "aurc": Drawn(value, resamples.pooled(np.concatenate(areas, axis=2).transpose(2, 0, 1))),
    }
