"""Converts observations and infos of the batched environment to Gymnasium's form: numpy arrays with masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.envs.episode import HALT_REASONS, EpisodeRules, Outcome
from hrm_env.envs.slots import Mask
from hrm_env.task import PuzzleBatch

ENDING = ("exact", "cell_accuracy", "segments", "halt_reason")
"""Keys of `info` about the end of an episode."""


def to_numpy(tensors: Mapping[str, Any], copy: bool = True) -> dict[str, Any]:
    """Returns arrays on the host, int64 for integers; copies, so that a caller's changes stay the caller's."""
    arrays = {key: x.cpu().numpy() if isinstance(x, Tensor) else x for key, x in tensors.items()}
    return {key: x.astype(np.int64 if x.dtype.kind in "iu" else x.dtype, copy=copy) for key, x in arrays.items()}


def ending_of(outcome: Outcome, segment: Any) -> dict[str, Any]:
    """Returns the entries `ENDING` of an outcome after ``segment (B,)`` segments."""
    return dict(zip(ENDING, (outcome.exact, outcome.cells, segment, outcome.halt_reason), strict=True))


def grade_rows(
    rules: EpisodeRules, batch: PuzzleBatch, action: Mapping[str, Any], rows: npt.NDArray[np.intp]
) -> dict[str, Any]:
    """Grades some slots; returns what they hold, the entries `ENDING` and ``reward``, as arrays with R rows.

    Args:
        rules: Rules of the episodes.
        batch: Puzzles of all slots.
        action: ``answer (B, L)``, ``halt (B,)``, and the slots' ``segment`` and ``index (B,)``.
        rows: The slots, ``(R,)``.
    """
    parts = batch._asdict() | dict(action)
    if rules.compares:
        parts = {key: (x.cpu().numpy() if isinstance(x, Tensor) else x)[rows] for key, x in parts.items()}
    else:
        device, chosen = batch.inputs.device, torch.from_numpy(rows).to(batch.inputs.device)
        tensors = {key: torch.as_tensor(x, device=device).index_select(0, chosen) for key, x in parts.items()}
        parts = {key: x if x.dtype == torch.bool else x.long() for key, x in tensors.items()}
    slots = PuzzleBatch(*(parts[key] for key in PuzzleBatch._fields))
    outcome = rules.grade(slots, parts["answer"], parts["halt"], parts["segment"])
    return to_numpy({**parts, **ending_of(outcome, parts["segment"]), "reward": outcome.reward}, copy=False)


def numpy_info(info: dict[str, Any], told: tuple[str, ...], reset: Mask | None = None) -> dict[str, Any]:
    """Returns what holds for the slots as arrays, with a mask ``_key`` beside each.

    Args:
        info: The environment's info, in tensors.
        told: Keys that every slot has.
        reset: Slots that were reset, ``(B,)`` bool; the others are 0. None: all slots.
    """
    arrays = to_numpy({key: info[key] for key in told})
    if reset is None:
        return masked(arrays, np.ones(len(info["index"]), dtype=np.bool_))
    for array in arrays.values():
        array[~reset] = 0  # as in Gymnasium's own vector environments
    return masked(arrays, reset)


def numpy_ending(ending: dict[str, Any], rows: npt.NDArray[np.intp], ended: Mask, final: bool) -> dict[str, Any]:
    """Returns what info tells about the episodes that ended, with masks.

    Args:
        ending: Arrays with one row for each slot that ended: its last observation, its solution and index, and the
            entries `ENDING`.
        rows: The slots that ended.
        ended: The same as a mask, ``(B,)`` bool.
        final: Whether the slots already hold new puzzles, so that the entries go to ``final_obs`` and ``final_info``.
    """
    count, keys = len(ended), ("solution", "index", *ENDING) if final else ENDING
    arrays = {key: _spread(ending[key], rows, count) for key in keys}
    arrays["cell_accuracy"] = arrays["cell_accuracy"].astype(np.float64)
    arrays["halt_reason"] = np.array(HALT_REASONS, dtype=object)[arrays["halt_reason"]]
    if not final:
        return masked(arrays, ended)
    columns = zip(*(ending[key] for key in ("inputs", "puzzle_id", "segment")), strict=True)
    observations = np.full(count, None, dtype=object)
    # in a loop over hundreds of rows, a literal is several times faster than a dict of keys and values
    observations[rows] = [{"inputs": x, "puzzle_id": y, "segment": m} for x, y, m in columns]
    return masked({"final_obs": observations, "final_info": masked(arrays, ended)}, ended)


def _spread(values: npt.NDArray[Any], rows: npt.NDArray[np.intp], count: int) -> npt.NDArray[Any]:
    """Returns an array of ``count`` rows with values in some of them, and 0 in the others."""
    spread = np.zeros((count, *values.shape[1:]), dtype=values.dtype)
    spread[rows] = values
    return spread


def masked(arrays: dict[str, Any], mask: Any) -> dict[str, Any]:
    """Returns the arrays of an info dict, each with a mask ``_key`` of the slots in which it is valid."""
    return arrays | {f"_{key}": mask for key in arrays}
