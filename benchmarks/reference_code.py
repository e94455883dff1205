"""The code of the papers, sapientinc/HRM and TinyRecursiveModels, from clones, with the weights of our cores."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm_agent.checkpoints.reference_checkpoint import read_reference, write_reference
from hrm_agent.config import HRMConfig
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.learning.adam_atan2 import AdamATan2

RATE, EMBEDDING_RATE, BETAS, DECAY = 1e-4, 1e-2, (0.9, 0.95), 0.1
"""The papers' learning rates, betas and weight decay, for both sides of a comparison."""


class PlainOptions:
    """Replaces pydantic's `BaseModel`: options as attributes, without checks."""

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)


def attention(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Replaces ``flash_attn_func``: torch's attention on ``(B, length, heads, head_dim)``."""
    query, key, value = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(query, key, value, is_causal=causal).transpose(1, 2)


STAND_INS = (("flash_attn", "flash_attn_func", attention), ("pydantic", "BaseModel", PlainOptions))


def _hrm_options(config: HRMConfig) -> dict[str, Any]:
    return {"pos_encodings": config.positions, "puzzle_emb_ndim": config.puzzle_positions * config.hidden_size}


def _trm_options(config: HRMConfig) -> dict[str, Any]:
    return {
        "mlp_t": config.mixer == "mlp",
        "pos_encodings": config.positions if config.mixer == "attention" else "none",
        "puzzle_emb_ndim": config.embedding_positions * config.hidden_size if config.puzzle_positions else 0,
        "puzzle_emb_len": config.puzzle_positions,
        "no_ACT_continue": True,
    }


class Project(NamedTuple):
    """A project that published the code of a paper.

    Attributes:
        name: Its name.
        module: Module of the model, in its package ``models``.
        model: Class of the model.
        options: Returns the options that only this model has, from those of our core.
    """

    name: str
    module: str
    model: str
    options: Callable[[HRMConfig], dict[str, Any]]


PROJECTS = {
    "hrm": Project("sapientinc/HRM", "hrm.hrm_act_v1", "HierarchicalReasoningModel_ACTV1", _hrm_options),
    "trm": Project("TinyRecursiveModels", "recursive_reasoning.trm", "TinyRecursiveReasoningModel_ACTV1", _trm_options),
}
"""The project of each core, by the core's name."""


class PaperCode:
    """The code of a paper, imported from a clone; neither flash-attn nor pydantic is needed.

    Args:
        core: A name in `PROJECTS`.
        clone: Folder of the clone.

    Raises:
        ValueError: The folder is not a clone.
    """

    def __init__(self, core: str, clone: Path) -> None:
        self.project = PROJECTS[core]
        module, self.losses, sparse = import_clone(
            clone, self.project.name, self.project.module, "losses", "sparse_embedding"
        )
        self.made = getattr(module, self.project.model)
        self.sign_sgd = sparse.CastedSparseEmbeddingSignSGD_Distributed

    def model(self, core: HRMCore, batch_size: int, max_segments: int, exploration: float = 0.0) -> Any:
        """Returns their model under its loss head, with our core's sizes, precision, device and weights.

        Args:
            core: Our core.
            batch_size: Puzzles B.
            max_segments: Budget of an episode.
            exploration: Probability of exploration in an episode.
        """
        config = core.config
        options = self.project.options(config) | {
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
            model = self.made(options)
        under_loss = self.losses.ACTLossHead(model, loss_type="stablemax_cross_entropy")
        put_weights(core, under_loss)
        return under_loss

    def training(self, model: Any, dense: type[AdamATan2 | torch.optim.AdamW], compile: bool = False) -> PaperTraining:
        """Returns the training of a model that `model` returned.

        Args:
            model: The model under its loss head.
            dense: Optimizer of the weights with dense gradients.
            compile: Whether `torch.compile` compiles the model, as their ``create_model`` does.
        """
        optimizers: list[torch.optim.Optimizer] = [dense(model.parameters(), lr=RATE, betas=BETAS, weight_decay=DECAY)]
        if model.model.config.puzzle_emb_ndim:
            table = model.model.puzzle_emb.buffers()
            optimizers.append(self.sign_sgd(table, world_size=1, lr=EMBEDDING_RATE, weight_decay=DECAY))
        return PaperTraining(model.train(), optimizers, compile)


class PaperTraining:
    """Their ``pretrain.train_batch`` on one device.

    Args:
        model: Their model under its loss head.
        optimizers: Optimizers of all weights.
        compile: Whether to compile the model.
    """

    def __init__(self, model: Any, optimizers: Sequence[torch.optim.Optimizer], compile: bool) -> None:
        self.plain, self.optimizers = model, optimizers
        self.carry: Any = None
        self.model = torch.compile(model, dynamic=False) if compile else model

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Takes one training step on puzzles in their form and returns the metrics, sums over the batch."""
        if self.carry is None:
            with torch.device(batch["inputs"].device):
                self.carry = self.plain.initial_carry(batch)
        self.carry, loss, metrics, _, _ = self.model(carry=self.carry, batch=batch, return_keys=[])
        (loss / len(batch["inputs"])).backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return dict(metrics)


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
