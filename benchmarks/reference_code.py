"""The reference code (sapientinc/HRM) from a clone of it, with the weights of one of our cores."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.checkpoints.reference_checkpoint import read_reference, write_reference
from hrm_agent.cores.hrm import HRMCore


class PlainOptions:
    """Replaces pydantic's `BaseModel`: options as attributes, without checks."""

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)


def attention(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Replaces ``flash_attn_func``: torch's attention on ``(B, length, heads, head_dim)``."""
    query, key, value = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(query, key, value, is_causal=causal).transpose(1, 2)


STAND_INS = (("flash_attn", "flash_attn_func", attention), ("pydantic", "BaseModel", PlainOptions))


class ReferenceCode(NamedTuple):
    """The modules ``models.hrm.hrm_act_v1``, ``models.losses`` and ``models.sparse_embedding``."""

    hrm: Any
    losses: Any
    sparse_embedding: Any

    @classmethod
    def of(cls, clone: Path) -> ReferenceCode:
        """Imports a clone; neither flash-attn nor pydantic is needed.

        Raises:
            ValueError: The folder is not a clone.
        """
        return cls(*import_clone(clone, "sapientinc/HRM", "hrm.hrm_act_v1", "losses", "sparse_embedding"))

    def model(self, core: HRMCore, batch_size: int, max_segments: int, exploration: float = 0.0) -> Any:
        """Returns their model under its loss head, with our core's sizes, precision, device and weights."""
        config, made = core.config, self.hrm.HierarchicalReasoningModel_ACTV1
        options = {"pos_encodings": config.positions, "puzzle_emb_ndim": config.puzzle_positions * config.hidden_size}
        return their_model(core, made, self.losses, batch_size, max_segments, exploration, **options)


def their_model(
    core: HRMCore,
    made: Callable[[dict[str, Any]], Any],
    losses: Any,
    batch_size: int,
    max_segments: int,
    exploration: float,
    **options: Any,
) -> Any:
    """Returns one of their models under its loss head, with our core's sizes, precision, device and weights.

    Args:
        core: Our core.
        made: Class of their model.
        losses: Their module of losses.
        batch_size: Puzzles B.
        max_segments: Budget of an episode.
        exploration: Probability of exploration in an episode.
        **options: Options of their model that depend on its class.
    """
    config = core.config
    options |= {
        "batch_size": batch_size,
        "seq_len": core.shape.seq_len,
        "vocab_size": core.shape.vocab_size,
        "num_puzzle_identifiers": core.shape.num_puzzle_ids,
        "H_cycles": config.h_cycles,
        "L_cycles": config.l_cycles,
        "H_layers": config.h_layers,
        "L_layers": config.l_layers,
        "hidden_size": config.hidden_size,
        "expansion": config.expansion,
        "num_heads": config.num_heads,
        "halt_max_steps": max_segments,
        "halt_exploration_prob": exploration,
        "forward_dtype": config.dtype,
    }
    with torch.device(core.start_h.device):  # moved later, the puzzle embedding would lose its gradient
        model = made(options)
    under_loss = losses.ACTLossHead(model, loss_type="stablemax_cross_entropy")
    put_weights(core, under_loss)
    return under_loss


def import_clone(clone: Path, project: str, *modules: str) -> list[ModuleType]:
    """Imports modules of a clone's package ``models`` and renames it, because other clones have one of the same name.

    Raises:
        ValueError: The folder is not a clone.
    """
    first = Path("models", *modules[0].split(".")).with_suffix(".py")
    if not (clone / first).is_file():
        raise ValueError(f"{clone}: expected a clone of {project}, found no {first}")
    for name, member, stand_in in STAND_INS:
        setattr(sys.modules.setdefault(name, ModuleType(name)), member, stand_in)
    sys.path.insert(0, str(clone))
    try:
        return [import_module(f"models.{name}") for name in modules]
    finally:
        sys.path.remove(str(clone))
        for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
            module = sys.modules.pop(name)
            module.__name__ = name.replace("models", f"{project.rpartition('/')[2]}_models", 1)
            sys.modules[module.__name__] = module  # torch.compile imports the module of a function that it compiles


def put_weights(core: HRMCore, theirs: Any) -> None:
    """Copies the weights of our core into their model under its loss head, through a checkpoint in their form.

    Raises:
        RuntimeError: A weight is changed when it is read back from a checkpoint of theirs.
    """
    with tempfile.TemporaryDirectory() as folder:
        ours, back = Path(folder) / "ours", Path(folder) / "theirs"
        write_reference(core, ours, prefix="model.")
        theirs.load_state_dict(torch.load(ours, weights_only=True))
        torch.save(theirs.state_dict(), back)
        found = read_reference(back)
    rounded = {name: getattr(core, name).to(core.activation_dtype).float() for name in ("start_h", "start_l")}
    mine = {name: weight.cpu() for name, weight in (core.state_dict() | rounded).items()}
    changed = [name for name, weight in mine.items() if not torch.equal(weight, found[name])]
    if changed:
        raise RuntimeError(f"expected the weights back unchanged, found changes in {', '.join(changed)}")
