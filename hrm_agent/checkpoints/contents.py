"""Whether what a checkpoint says of an agent can be, and whether its weights are those; checked before it is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook

from hrm_agent.checkpoints.saved_agent import said_of
from hrm_agent.cores import PuzzleShape, ReasoningCore, make_core
from hrm_agent.errors import CheckpointError
from hrm_agent.state import check_same
from hrm_env.envs.observations import ObservationSizes

_SPARE = 100  # parameters of a core beyond those of the file, at which building it is given up


def check_core(
    path: str | Path, weights: Mapping[str, Tensor], sizes: ObservationSizes, options: Mapping[str, Any]
) -> ReasoningCore:
    """Refuses weights of a policy that are not those of the core that the options describe.

    The shapes are found on torch's ``meta`` device, without memory, so that no option can ask for more than the file
    holds.

    Args:
        path: For errors.
        weights: The policy's state dict, its core below ``core.``.
        sizes: Of the puzzles.
        options: Name and options of the core, as `core_config` takes them.

    Returns:
        The core, on torch's ``meta`` device.

    Raises:
        CheckpointError: Names the file and the tensor.
    """
    core = {name: tensor for name, tensor in weights.items() if name.startswith("core.")}
    made = _meta_core(path, len(core), sizes, options)
    expected = {f"core.{name}": tensor for name, tensor in made.state_dict().items()}
    with said_of(path):
        check_same(core, expected, "weights of its own options")
    return made


def _meta_core(path: str | Path, count: int, sizes: ObservationSizes, options: Mapping[str, Any]) -> ReasoningCore:
    """A core without memory; gives up where it has many more than ``count`` tensors."""
    seen = 0

    def count_up(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > count + _SPARE:
            raise CheckpointError(f"{path}: expected the weights of its own options, found {count} tensors, too few")

    shape = PuzzleShape(sizes.seq_len, sizes.vocab_size, sizes.num_puzzle_ids)
    hook = register_module_parameter_registration_hook(count_up)
    try:
        with torch.device("meta"):
            return make_core(shape, **options)
    finally:
        hook.remove()
