"""The reference code (sapientinc/HRM) from a clone of it, with the weights of a core of ours."""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.cores.hrm import HRMCore
from hrm_agent.reference_checkpoint import read_reference, write_reference


class PlainOptions:
    """Stands in for pydantic's `BaseModel`: options as attributes, without checks."""

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)


def attention(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Stands in for ``flash_attn_func``: torch's attention on ``(B, length, heads, head_dim)``."""
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
            ValueError: The folder is no clone.
        """
        if not (clone / "models" / "hrm" / "hrm_act_v1.py").is_file():
            raise ValueError(f"{clone}: expected a clone of sapientinc/HRM, found no models/hrm/hrm_act_v1.py")
        for name, member, stand_in in STAND_INS:
            setattr(sys.modules.setdefault(name, ModuleType(name)), member, stand_in)
        sys.path.insert(0, str(clone))
        return cls(*(import_module(f"models.{name}") for name in ("hrm.hrm_act_v1", "losses", "sparse_embedding")))

    def model(self, core: HRMCore, batch_size: int, max_segments: int) -> Any:
        """Their model under its loss head, in float32, without exploration, with our core's sizes and weights."""
        config = core.config
        model = self.hrm.HierarchicalReasoningModel_ACTV1(
            {
                "batch_size": batch_size,
                "seq_len": core.shape.seq_len,
                "vocab_size": core.shape.vocab_size,
                "num_puzzle_identifiers": core.shape.num_puzzle_ids,
                "puzzle_emb_ndim": config.puzzle_positions * config.hidden_size,
                "H_cycles": config.h_cycles,
                "L_cycles": config.l_cycles,
                "H_layers": config.h_layers,
                "L_layers": config.l_layers,
                "hidden_size": config.hidden_size,
                "expansion": config.expansion,
                "num_heads": config.num_heads,
                "pos_encodings": config.positions,
                "halt_max_steps": max_segments,
                "halt_exploration_prob": 0.0,
                "forward_dtype": "float32",
            }
        )
        under_loss = self.losses.ACTLossHead(model, loss_type="stablemax_cross_entropy")
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"
            write_reference(core, ours, prefix="model.")
            under_loss.load_state_dict(torch.load(ours, weights_only=True))
            torch.save(under_loss.state_dict(), theirs)
            back = read_reference(theirs)
        changed = [name for name, weight in core.state_dict().items() if not torch.equal(weight, back[name])]
        if changed:
            raise RuntimeError(f"expected the weights back as they were, found others: {', '.join(changed)}")
        return under_loss
