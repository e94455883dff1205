"""What a checkpoint holds, and whether its weights are those of the core that its options describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import torch
from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook

from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.checkpoints.names import existing_checkpoint
from hrm_agent.checkpoints.saved_agent import said_of
from hrm_agent.checkpoints.small_files import full_precision
from hrm_agent.cores import PuzzleShape, ReasoningCore, make_core
from hrm_agent.errors import CheckpointError
from hrm_agent.state import check_finite, check_same
from hrm_env.envs.spaces import ObservationSizes

OWN_OPTIONS = "its own options"
"""Whose weights a file is expected to hold, unless the caller changes options."""
_SPARE = 100  # parameters of a core beyond those of the file, at which building it is given up


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read: intact, but not yet compared with anything.

    Attributes:
        path: The file, for errors; of a buffer ``<BytesIO>``.
        config: Its JSON.
        tensors: Its groups of tensors, on the CPU; weights and optimizer state in full precision.
    """

    path: Path
    config: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]

    @classmethod
    def read(cls, path: str | Path | BinaryIO) -> Self:
        """Reads a file, whose name may be any that `existing_checkpoint` knows, or a buffer.

        Raises:
            CheckpointError: It is missing, truncated, damaged, hostile or of another format.
        """
        place = existing_checkpoint(path) if isinstance(path, str | Path) else path
        config, tensors = read_checkpoint(place)
        tensors |= {group: full_precision(tensors[group]) for group in ("policy", "optimizer") if group in tensors}
        return cls(path_of(place), config, tensors)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The state dict of the policy; empty where there is none."""
        return self.tensors.get("policy", {})

    def checked_weights(self, expected: Mapping[str, Tensor], whose: str) -> dict[str, Tensor]:
        """Returns the weights, if they are finite and have the names, types and shapes of a state dict.

        Raises:
            CheckpointError: Names the file and the first tensor that differs.
        """
        with said_of(self.path):
            check_same(self.weights, expected, f"weights of {whose}")
            check_finite(self.weights)
        return self.weights


def path_of(place: str | Path | BinaryIO) -> Path:
    """Returns the name that errors give to a file or a buffer."""
    return Path(place) if isinstance(place, str | Path) else Path(f"<{type(place).__name__}>")


def check_core(
    path: str | Path,
    weights: Mapping[str, Tensor],
    sizes: ObservationSizes,
    options: Mapping[str, Any],
    whose: str = OWN_OPTIONS,
) -> ReasoningCore:
    """Refuses weights of a policy that are not those of the core that the options describe.

    The shapes are found on torch's ``meta`` device, without memory, so that no option can ask for more than the file
    holds.

    Args:
        path: The checkpoint, for errors.
        weights: State dict of the policy, with its core below ``core.``.
        sizes: Sizes of the puzzles.
        options: Name and options of the core, as `core_config` takes them.
        whose: Where the options come from, for errors.

    Returns:
        The core, on torch's ``meta`` device.

    Raises:
        CheckpointError: Names the file and the tensor.
    """
    core = {name: tensor for name, tensor in weights.items() if name.startswith("core.")}
    made = _meta_core(path, len(core), sizes, options, whose)
    expected = {f"core.{name}": tensor for name, tensor in made.state_dict().items()}
    with said_of(path):
        check_same(core, expected, f"weights of {whose}")
    return made


def _meta_core(
    path: str | Path, count: int, sizes: ObservationSizes, options: Mapping[str, Any], whose: str
) -> ReasoningCore:
    """Returns a core without memory; gives up where it has many more than ``count`` tensors."""
    seen = 0

    def count_up(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > count + _SPARE:
            raise CheckpointError(f"{path}: expected the weights of {whose}, found {count} tensors, too few")

    shape = PuzzleShape(sizes.seq_len, sizes.vocab_size, sizes.num_puzzle_ids)
    hook = register_module_parameter_registration_hook(count_up)
    try:
        with torch.device("meta"):
            return make_core(shape, **options)
    finally:
        hook.remove()
