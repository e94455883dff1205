"""TinyRecursiveModels (SamsungSAILMontreal) from a clone of it, with the weights of one of our cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reference_code import import_clone, their_model
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
            ValueError: The folder is not a clone.
        """
        modules = ("recursive_reasoning.trm", "losses", "sparse_embedding")
        return cls(*import_clone(clone, "TinyRecursiveModels", *modules))

    def model(self, core: HRMCore, batch_size: int, max_segments: int, exploration: float = 0.0) -> Any:
        """Returns their model under its loss head, with our core's sizes, precision, device and weights."""
        config, made = core.config, self.trm.TinyRecursiveReasoningModel_ACTV1
        options = {
            "mlp_t": config.mixer == "mlp",
            "pos_encodings": config.positions if config.mixer == "attention" else "none",
            "puzzle_emb_ndim": config.embedding_positions * config.hidden_size if config.puzzle_positions else 0,
            "puzzle_emb_len": config.puzzle_positions,
            "no_ACT_continue": True,
        }
        return their_model(core, made, self.losses, batch_size, max_segments, exploration, **options)
