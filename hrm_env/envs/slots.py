"""Checks shared by all batched environments: slots, autoreset modes, seeds, reset masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from hrm_env.checks import check_choice, check_integer, shortened
from hrm_env.envs.episode import EpisodeRules
from hrm_env.task import PuzzleBatch

MOST_SLOTS = 2**24
"""Largest number of slots of an environment."""

SLOT_STATE = (*PuzzleBatch._fields, "index", "active", "segment", "next")
"""Names of the tensors in a saved state."""

Seeds = int | list[int | None] | None
Mask = npt.NDArray[np.bool_]


def check_slots(num_envs: Any, name: str = "num_envs") -> int:
    """Returns the number of slots.

    Raises:
        ValueError: The number is no integer from 1 to `MOST_SLOTS`.
    """
    return check_integer(name, num_envs, 1, MOST_SLOTS)


def check_autoreset(mode: AutoresetMode | str) -> AutoresetMode:
    """Returns the autoreset mode that is given as a mode or its value, as in Gymnasium's own vector environments.

    Raises:
        ValueError: ``mode`` is neither.
    """
    if isinstance(mode, AutoresetMode):
        return mode
    return AutoresetMode(check_choice("autoreset_mode", mode, [str(known.value) for known in AutoresetMode]))


def check_seed(seed: Any) -> int | None:
    """Returns the seed of one episode or stream: an integer of at least 0, or None.

    Raises:
        ValueError: The seed is anything else.
    """
    return None if seed is None else check_integer("seed", seed, 0)


def shared_seed(seed: Any, num_envs: int) -> int | None:
    """Returns the single seed of slots that share a stream of random numbers.

    Gymnasium's vector environments take a seed, or a list with one seed per slot. A list seeds the stream with all its
    numbers; ``[s, s + 1, ...]``, which Gymnasium derives from a seed s, equals s; a list of None seeds nothing.

    Raises:
        ValueError: A seed is negative or no integer, or a list has another length or seeds only some of the slots.
    """
    if not isinstance(seed, list | tuple | np.ndarray):
        return check_seed(seed)
    seeds = [check_seed(one) for one in seed]
    numbers = [one for one in seeds if one is not None]
    if len(seeds) != num_envs or 0 < len(numbers) < num_envs:
        wanted = f"one integer, or a list of {num_envs} integers or of {num_envs} None"
        raise ValueError(f"seed: expected {wanted}, as the slots share one stream, found {shortened(seed)}")
    if not numbers:
        return None
    if numbers == list(range(numbers[0], numbers[0] + num_envs)):
        return numbers[0]
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def reset_mask(options: dict[str, Any] | None, num_envs: int) -> Mask | None:
    """Returns the slots of ``reset(options={"reset_mask": ...})``, ``(B,)`` bool; None resets all.

    Raises:
        ValueError: The mask is no array of B bools with at least one True.
    """
    given = (options or {}).get("reset_mask")
    if given is None:
        return None
    mask = np.asarray(given)
    if mask.shape != (num_envs,) or mask.dtype != np.bool_ or not mask.any():
        wanted = f"a boolean array of shape ({num_envs},) with at least one True"
        raise ValueError(f'options["reset_mask"]: expected {wanted}, found {shortened(given)}')
    return mask.copy()


def check_state(state: Mapping[str, Any], rules: EpisodeRules, num_envs: int, mode: AutoresetMode) -> None:
    """Refuses a saved state that an environment cannot continue.

    Args:
        state: The state, with tensors under the names `SLOT_STATE`.
        rules: Rules of the environment.
        num_envs: Number of its slots.
        mode: Its autoreset mode.

    Raises:
        ValueError: The state belongs to other puzzles, another number of slots or another autoreset mode, or holds
            numbers that no slot can have.
    """
    waits = mode is not AutoresetMode.SAME_STEP
    if state["puzzles"] != rules.puzzles.digest() or len(state["inputs"]) != num_envs:
        raise ValueError("environment: expected the state of the same puzzles in as many slots, found another's")
    if ("ended" in state) != waits:
        raise ValueError(f"environment: expected a state of autoreset_mode {mode.value}, found another")
    tokens, puzzles = rules.task.spec.vocab_size, rules.puzzles
    segments = rules.max_segments + waits  # a waiting slot may have used all segments
    limits = (tokens, tokens, len(puzzles.names), len(puzzles), 2, segments, 2**62)
    for name, limit in zip(SLOT_STATE, limits, strict=True):
        low, high = int(state[name].min()), int(state[name].max())
        if low < 0 or high >= limit:
            found = low if low < 0 else high
            raise ValueError(f"environment: {name}: expected numbers from 0 to {limit - 1}, found {found}")
