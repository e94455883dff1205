"""The random generators that a process shares: Python's, numpy's, torch's on the CPU and on every CUDA device."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Where they stand, in tensors and what JSON can hold."""
    _, words, gauss = random.getstate()
    legacy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
    state = {
        "python": torch.tensor(words),
        "python_gauss": gauss,
        "numpy": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
        "numpy_rest": [legacy["state"]["pos"], legacy["has_gauss"], legacy["gauss"]],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        state |= {f"cuda{number}": device for number, device in enumerate(torch.cuda.get_rng_state_all())}
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Puts them back; CUDA devices that are not there, or that the state does not know, stay as they are."""
    random.setstate((3, tuple(state["python"].tolist()), state["python_gauss"]))
    position, has_gauss, gauss = state["numpy_rest"]
    key = state["numpy"].cpu().numpy().astype(np.uint32)
    np.random.set_state(("MT19937", key, position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    for number in range(torch.cuda.device_count()):
        if f"cuda{number}" in state:
            torch.cuda.set_rng_state(state[f"cuda{number}"].cpu(), number)
