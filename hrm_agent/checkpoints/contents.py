"""Whether what a checkpoint says of an agent can be, and whether its weights are those; checked before it is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook

from hrm_agent.cores import PuzzleShape, ReasoningCore, make_core
from hrm_agent.errors import CheckpointError
from hrm_env.checks import shortened
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
    check_same(path, core, expected, "weights of its own options")
    return made


def check_same(path: str | Path, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], whose: str) -> None:
    """Refuses tensors of other names, shapes or types than those expected.

    Args:
        path: For errors.
        weights: Those of the file.
        expected: Any tensors of the right names, shapes and types.
        whose: For errors.

    Raises:
        CheckpointError: Names the file and the first of these tensors.
    """
    for name in sorted(weights.keys() | expected.keys()):
        found, wanted = (_kind(tensors.get(name)) for tensors in (weights, expected))
        if found != wanted:
            what = f"{shortened(name)}: {found} instead of {wanted}"
            raise CheckpointError(f"{path}: expected the {whose}, found others ({what})")


def check_finite(path: str | Path, tensors: Mapping[str, Tensor], what: str = "weights") -> None:
    """Refuses tensors of which a number is infinite or none.

    Raises:
        CheckpointError: Names the file and the tensor.
    """
    bad = next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None)
    if bad is not None:
        raise CheckpointError(f"{path}: expected finite {what}, found others in {bad!r}")


def _kind(tensor: Tensor | None) -> str:
    """Such as "float32 (2, 3)"."""
    return "none" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


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
