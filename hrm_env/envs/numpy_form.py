"""Converts observations and infos of the batched environment to Gymnasium's form: numpy arrays with masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hrm_env.envs.episode import HALT_REASONS
from hrm_env.envs.slots import Mask

ENDING = ("exact", "cell_accuracy", "segments", "halt_reason")
"""Keys of `info` about the end of an episode."""


def to_numpy(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Returns copies on the host, so that a caller's changes do not reach the environment."""
    return {key: tensor.cpu().numpy().copy() for key, tensor in tensors.items()}


def numpy_info(
    info: dict[str, Any], told: tuple[str, ...], reset: Mask | None = None, ended: Mask | None = None
) -> dict[str, Any]:
    """Returns arrays with a mask ``_key`` beside each; keys about the end of an episode exist only if one ended.

    Args:
        info: The environment's info, in tensors.
        told: Keys that every slot has.
        reset: Slots that were reset, ``(B,)`` bool; only these have values then.
        ended: Slots whose episode ended in this step, ``(B,)`` bool.
    """
    every = np.ones(len(info["index"]), dtype=np.bool_) if reset is None else reset
    result = masked(_kept(to_numpy({key: info[key] for key in told}), every), every)
    if ended is None or not ended.any():
        return result
    refilled = "final_info" in info  # the slots then already hold new puzzles
    within, keys = (info["final_info"], ("solution", "index", *ENDING)) if refilled else (info, ENDING)
    tensors = {key: within[key] for key in keys}
    # the environment no longer holds the contents of a refilled slot, so they need no copies
    arrays = {key: tensor.cpu().numpy() for key, tensor in tensors.items()} if refilled else to_numpy(tensors)
    ending = _kept(arrays, ended)
    ending["cell_accuracy"] = ending["cell_accuracy"].astype(np.float64)
    ending["halt_reason"] = np.array(HALT_REASONS, dtype=object)[ending["halt_reason"]]
    if not refilled:
        return result | masked(ending, ended)
    final_obs = _rows(info["final_obs"], ended)
    return result | masked({"final_obs": final_obs, "final_info": masked(ending, ended)}, ended)


def _kept(arrays: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """Sets arrays to 0 where the mask is False, as in Gymnasium's own vector environments."""
    for array in arrays.values():
        array[~mask] = 0
    return arrays


def masked(arrays: dict[str, Any], mask: Any) -> dict[str, Any]:
    """Returns the arrays of an info dict, each with a mask ``_key`` of the slots in which it is valid."""
    return arrays | {f"_{key}": mask for key in arrays}


def _rows(tensors: dict[str, Tensor], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """Returns one observation per row, None where the mask is False."""
    rows = np.full(len(mask), None, dtype=object)
    columns = (tensors[key].cpu().numpy()[mask] for key in ("inputs", "puzzle_id", "segment"))
    # in a loop over hundreds of rows, a literal is several times faster than a dict of keys and values
    rows[mask] = [{"inputs": x, "puzzle_id": y, "segment": m} for x, y, m in zip(*columns, strict=True)]
    return rows
