"""Observations and infos of the batched environment as Gymnasium wants them: numpy arrays, with masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hrm_env.rules import HALT_REASONS


def to_numpy(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Copies on the host: what a caller does to them must not reach the environment."""
    return {key: tensor.cpu().numpy().copy() for key, tensor in tensors.items()}


def numpy_info(info: dict[str, Any], each_once: bool) -> dict[str, Any]:
    """Arrays with a mask ``_key`` beside each; final keys only where an episode ended.

    Args:
        info: What the environment tells in tensors.
        each_once: Whether a slot may hold no puzzle, which ``active`` then tells.
    """
    every = np.ones(len(info["index"]), dtype=np.bool_)
    keys = ("solution", "index", "active") if each_once else ("solution", "index")
    result = masked(to_numpy({key: info[key] for key in keys}), every)
    if "_final_info" in info and (done := info["_final_info"].cpu().numpy()).any():
        # no copies: the environment itself does not hold these any more
        final = {key: tensor.cpu().numpy() for key, tensor in info["final_info"].items() if key != "active"}
        for array in final.values():
            array[~done] = 0  # what Gymnasium's own vector environments hold where nothing ended
        final["cell_accuracy"] = final["cell_accuracy"].astype(np.float64)
        final["halt_reason"] = np.array(HALT_REASONS, dtype=object)[final["halt_reason"]]
        final_obs = _rows(info["final_obs"], done)
        result |= masked({"final_obs": final_obs, "final_info": masked(final, done)}, done)
    return result


def masked(arrays: dict[str, Any], mask: Any) -> dict[str, Any]:
    """The arrays of an info dict, each with the mask ``_key`` beside it that tells in which slots it counts."""
    return arrays | {f"_{key}": mask for key in arrays}


def _rows(tensors: dict[str, Tensor], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """One observation a row, None where the mask is False."""
    rows = np.full(len(mask), None, dtype=object)
    columns = (tensors[key].cpu().numpy()[mask] for key in ("inputs", "puzzle_id", "segment"))
    # a loop over hundreds of rows: a literal is made several times as fast as a dict of keys and values
    rows[mask] = [{"inputs": x, "puzzle_id": y, "segment": m} for x, y, m in zip(*columns, strict=True)]
    return rows
