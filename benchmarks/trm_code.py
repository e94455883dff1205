"""TinyRecursiveModels (SamsungSAILMontreal) from a clone of it, with the weights of a core of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.reference_code import import_clone, put_weights
from hrm_agent.cores.hrm import HRMCore


class TRMCode(NamedTuple):
    """The modules ``models.recursive_reasoning.trm``, ``models.losses`` and ``models.sparse_embedding``."""

    trm: Any
    losses: Any
    sparse_embedding: Any

    @classmethod
    def of(cls, clone: Path) -> TRMCode:
        """Imports a clone, also beside one of sapientinc/HRM; pydantic is not needed.

        Raises:
            ValueError: The folder is no clone.
        """
        modules = ("recursive_reasoning.trm", "losses", "sparse_embedding")
        return cls(*import_clone(clone, "TinyRecursiveModels", *modules))

    def model(self, core: HRMCore, batch_size: int, max_segments: int, exploration: float = 0.0) -> Any:
        """Their model under its loss head, with our core's sizes, precision, device and weights."""
        config = core.config
        options = {
            "batch_size": batch_size,
            "seq_len": core.shape.seq_len,
            "vocab_size": core.shape.vocab_size,
            "num_puzzle_identifiers": core.shape.num_puzzle_ids,
            "puzzle_emb_ndim": config.embedding_positions * config.hidden_size if config.puzzle_positions else 0,
            "puzzle_emb_len": config.puzzle_positions,
            "H_cycles": config.h_cycles,
            "L_cycles": config.l_cycles,
            "H_layers": config.h_layers,
            "L_layers": config.l_layers,
            "hidden_size": config.hidden_size,
            "expansion": config.expansion,
            "num_heads": config.num_heads,
            "mlp_t": config.mixer == "mlp",
            "pos_encodings": config.positions if config.mixer == "attention" else "none",
            "halt_max_steps": max_segments,
            "halt_exploration_prob": exploration,
            "forward_dtype": config.dtype,
            "no_ACT_continue": True,
        }
        with torch.device(core.start_h.device):  # moved later, the puzzle embedding would lose its gradient
            model = self.trm.TinyRecursiveReasoningModel_ACTV1(options)
        under_loss = self.losses.ACTLossHead(model, loss_type="stablemax_cross_entropy")
        put_weights(core, under_loss)
        return under_loss
