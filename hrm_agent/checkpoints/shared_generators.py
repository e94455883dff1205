"""The random generators that a process shares: Python's, numpy's, torch's on the CPU and on every CUDA device."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from hrm_agent.state import Rehearsal, State, Stateful, check_generator
from hrm_env.checks import check_integer, check_number, shortened


class SharedGenerators(Stateful):
    """The random generators of this process."""

    def state_dict(self) -> State:
        """Returns where they stand."""
        _, words, gauss = random.getstate()
        legacy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
        state = {
            "python": torch.tensor(words),
            "python_gauss": gauss,
            "numpy": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
            "numpy_rest": [legacy["state"]["pos"], legacy["has_gauss"], legacy["gauss"]],
            "torch": torch.get_rng_state(),
        }
        if torch.cuda.is_initialized():
            state |= {f"cuda{number}": device for number, device in enumerate(torch.cuda.get_rng_state_all())}
        return state

    def check_state(self, name: str, state: State, rehearsal: Rehearsal) -> None:
        """Refuses a state in which a generator is missing or holds impossible numbers.

        Raises:
            ValueError: Names the generator, what was expected and what was found.
        """
        _check_words(f"{name}: python", state.get("python"), 625)
        check_integer(f"{name}: python", int(state["python"][-1]), 0, 624)
        if "python_gauss" not in state:
            raise ValueError(f"{name}: python_gauss: expected a number or None, found nothing")
        if state["python_gauss"] is not None:
            check_number(f"{name}: python_gauss", state["python_gauss"])
        _check_words(f"{name}: numpy", state.get("numpy"), 624)
        rest = state.get("numpy_rest")
        if not isinstance(rest, list) or len(rest) != 3:
            raise ValueError(f"{name}: numpy_rest: expected three numbers, found {shortened(rest)}")
        check_integer(f"{name}: numpy_rest", rest[0], 0, 624)
        check_integer(f"{name}: numpy_rest", rest[1], 0, 1)
        check_number(f"{name}: numpy_rest", rest[2])
        check_generator(f"{name}: torch", state.get("torch"))
        for key in state:
            if re.fullmatch("cuda[0-9]{1,3}", key) and int(key[4:]) < torch.cuda.device_count():
                check_generator(f"{name}: {key}", state[key], torch.device("cuda", int(key[4:])))

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Puts them back; CUDA devices that are missing here or in the state stay as they are."""
        random.setstate((3, tuple(state["python"].tolist()), state["python_gauss"]))
        position, has_gauss, gauss = state["numpy_rest"]
        key = state["numpy"].cpu().numpy().astype(np.uint32)
        np.random.set_state(("MT19937", key, position, has_gauss, gauss))  # noqa: NPY002
        torch.set_rng_state(state["torch"].cpu())
        for number in range(torch.cuda.device_count()):
            if f"cuda{number}" in state:
                torch.cuda.set_rng_state(state[f"cuda{number}"].cpu(), number)
        return self


def check_numpy_generator(name: str, state: Any) -> None:
    """Refuses anything but the state of PCG64, numpy's default generator.

    Raises:
        ValueError: Begins with ``name``.
    """
    numbers = state.get("state") if isinstance(state, dict) else None
    if not isinstance(numbers, dict) or state.get("bit_generator") != "PCG64":
        raise ValueError(f"{name}: expected the state of a PCG64, found {shortened(state)}")
    for key in ("state", "inc"):
        check_integer(f"{name}: {key}", numbers.get(key), 0, 2**128 - 1)
    check_integer(f"{name}: has_uint32", state.get("has_uint32"), 0, 1)
    check_integer(f"{name}: uinteger", state.get("uinteger"), 0, 2**32 - 1)


def _check_words(name: str, words: Any, count: int) -> None:
    """Refuses anything but so many integers of 32 bits."""
    if not isinstance(words, Tensor) or words.dtype != torch.int64 or words.shape != (count,):
        raise ValueError(f"{name}: expected {count} integers, found {shortened(words)}")
    if int(words.min()) < 0 or int(words.max()) >= 2**32:
        raise ValueError(f"{name}: expected integers of 32 bits, found others")
