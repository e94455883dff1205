"""The puzzles of the page: what every policy did on each, and the answers of its segments, packed.

An episode is a puzzle of a checkpoint: S × N of them, those of the first checkpoint first.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hrm_agent.study.page.numbers import outcomes, places
from hrm_agent.study.reliability import sigmoid
from hrm_agent.study.replays import Replays
from hrm_agent.study.study import Study
from hrm_env.task import PuzzleTask

PIECE = 128
"""Episodes that are packed together; a browser unpacks the piece that it needs."""


def packed(array: npt.NDArray[Any]) -> str:
    """Returns the bytes of an array, compressed, as text: base64 of gzip."""
    return base64.b64encode(gzip.compress(np.ascontiguousarray(array).tobytes(), mtime=0)).decode()


def page_episodes(study: Study, replays: Replays, task: PuzzleTask) -> dict[str, Any]:
    """Returns how a puzzle is drawn, and what every policy did on every one.

    Args:
        study: The table, whose rows give the order of the policies.
        replays: What every policy did.
        task: The puzzle family.
    """
    order = places(study, replays)

    def by_policy(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values[:, order].transpose(1, 0, 2)  # (P, S, N)

    return {
        "grid": {
            "height": task.spec.height,
            "width": task.spec.width,
            "symbols": "_" + task.alphabet,
            "blank": task.blank_id,
            "boxes": task.boxes,
            "paints": dict(task.style.paints),
            "written": task.style.written,
            "cropped": task.style.panels,
        },
        "index": replays.traces[0].index.tolist(),
        "outcomes": packed(by_policy(outcomes(replays))),
        "stops": packed(by_policy(replays.segments).astype("<u2")),
        "piece": PIECE,
        "order": packed(_most_telling_first(outcomes(replays)).astype("<u4")),
    }


def pieces(study: Study, replays: Replays) -> Iterator[str]:
    """Yields the recorded segments of the first view, `PIECE` episodes at a time, the most telling ones first.

    An episode is its L question tokens, M answers of L tokens, of which each is written as the exclusive or with the
    tokens before, M bytes of σ(q_halt) in 255ths, and M bytes that tell whether the answer is right.
    """
    traces, puzzles = replays.traces, len(replays.traces[0])
    order = _most_telling_first(outcomes(replays))
    for start in range(0, len(order), PIECE):
        rows = []
        for episode in order[start : start + PIECE]:
            own, puzzle = traces[episode // puzzles], episode % puzzles
            tokens = np.concatenate([own.inputs[puzzle, None], own.answers[puzzle, 0, : study.budget]])
            tokens[1:] ^= tokens[:-1]
            trust = np.rint(255 * sigmoid(own.signals["q_halt"][puzzle, 0, : study.budget])).astype(np.uint8)
            right = own.correct[puzzle, 0, : study.budget].astype(np.uint8)
            rows.append(np.concatenate([tokens.ravel(), trust, right]))
        yield packed(np.stack(rows))


def _most_telling_first(ended: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Returns the episodes, those first that some policies solve and others do not."""
    by_policy = ended.transpose(1, 0, 2).reshape(ended.shape[1], -1)
    return np.argsort(by_policy.min(0) == by_policy.max(0), kind="stable")
