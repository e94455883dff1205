"""Whether what a checkpoint says of an agent can be, and whether its weights are those; checked before it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook

from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.saving.checkpoint import CheckpointError
from hrm_env.observations import ObservationSizes

_LARGEST = {"seq_len": 2**16, "vocab_size": 2**16, "num_puzzle_ids": 2**31 - 1, "max_segments": 2**16}
_NOT_OF_THE_AGENT = {"policy", "env", "env_kwargs", "tensorboard_log", "verbose", "device"}
_MOST_WORK = 1024  # cycles of a module in a segment, and views of a puzzle
_SPARE = 100  # parameters of a core beyond those of the file, at which building it is given up


def check_sizes(path: str | Path, sizes: ObservationSizes) -> None:
    """Refuses sizes of puzzles that are no counts, or that spaces and tables are not made for.

    Raises:
        CheckpointError: Names the file, the size and its limit.
    """
    for name, found in asdict(sizes).items():
        if type(found) is not int or not 1 <= found <= _LARGEST[name]:
            raise CheckpointError(f"{path}: expected {name} from 1 to {_LARGEST[name]}, found {str(found)[:40]}")


def check_options(path: str | Path, options: Mapping[str, Any]) -> None:
    """Refuses options that belong to him who loads an agent and not to the agent, such as where it writes.

    Raises:
        CheckpointError: Names the file and the option.
    """
    strange = sorted(options.keys() & _NOT_OF_THE_AGENT)
    if strange:
        raise CheckpointError(f"{path}: expected the options of an HRM agent, found others ({strange[0]!r})")


def check_core(
    path: str | Path, weights: Mapping[str, Tensor], sizes: ObservationSizes, options: Mapping[str, Any]
) -> None:
    """Refuses weights of a policy that are not those of the core that the options describe.

    The shapes are found on torch's ``meta`` device, without memory, so that no option can ask for more than the file
    holds.

    Args:
        path: For errors.
        weights: The policy's state dict, its core below ``core.``.
        sizes: Of the puzzles.
        options: Name and options of the core, as in `make_core`.

    Raises:
        CheckpointError: Names the file and the tensor.
        ValueError: No core has these options; a wrong type among them raises what it leads to.
    """
    for name in options.keys() & {"h_cycles", "l_cycles"}:
        check_work(path, name, options[name])
    core = {name: tensor for name, tensor in weights.items() if name.startswith("core.")}
    expected = _meta_state(path, len(core), sizes, options)
    check_same(path, core, {f"core.{name}": tensor for name, tensor in expected.items()}, "weights of its own options")


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
            what = f"{name!r}: {found} instead of {wanted}"
            raise CheckpointError(f"{path}: expected the {whose}, found others ({what})")


def check_finite(path: str | Path, weights: Mapping[str, Tensor]) -> None:
    """Refuses weights of which one is infinite or no number.

    Raises:
        CheckpointError: Names the file and the tensor.
    """
    bad = next((name for name, tensor in weights.items() if not tensor.isfinite().all()), None)
    if bad is not None:
        raise CheckpointError(f"{path}: expected finite weights, found others in {bad!r}")


def check_work(path: str | Path, name: str, found: int) -> None:
    """Refuses a number, such as of cycles, with which a file would keep a machine busy for ever.

    Raises:
        CheckpointError: Names the file and the option.
    """
    if found > _MOST_WORK:
        raise CheckpointError(f"{path}: expected {name} from 1 to {_MOST_WORK}, found {found}")


def _kind(tensor: Tensor | None) -> str:
    """Such as "float32 (2, 3)"."""
    return "none" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _meta_state(path: str | Path, count: int, sizes: ObservationSizes, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Names, shapes and types of a core's tensors; gives up where it has many more than ``count`` of them."""
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
            return make_core(shape, **options).state_dict()
    finally:
        hook.remove()
