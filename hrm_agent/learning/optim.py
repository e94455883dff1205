"""Optimizers: which weights each of them moves, and the one for sparse puzzle embeddings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrm_agent.config import LearnerConfig
from hrm_agent.cores.core import ReasoningCore
from hrm_agent.learning.adam_atan2 import AdamATan2


class SparseSignSGD(torch.optim.Optimizer):
    """Sign-SGD with decoupled weight decay on the rows that a sparse gradient touches (HRM's puzzle embedding)."""

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-2, weight_decay: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Moves the touched rows against the sign of their gradient; all other rows are neither read nor written."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    rows, gradient = _summed_by_row(p.grad)
                    decayed = p[rows] * (1 - group["lr"] * group["weight_decay"])
                    p[rows] = decayed - group["lr"] * gradient.sign()


def _summed_by_row(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the rows of a sparse gradient and the sum of each; a row that occurs n times does so with its whole sum.

    `Tensor.coalesce` would count the distinct rows, and so wait for a CUDA device.
    """
    rows, order = gradient._indices()[0].sort()
    values = gradient._values()[order]
    place = F.pad(rows[1:] != rows[:-1], (1, 0)).cumsum(0)  # number of each distinct row
    return rows, torch.zeros_like(values).index_add_(0, place, values)[place]


def split_parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Returns the parameters with dense gradients, and those of sparse embeddings (``nn.Embedding(sparse=True)``)."""
    sparse = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding) and m.sparse}
    parameters = list(module.parameters())
    return [p for p in parameters if id(p) not in sparse], [p for p in parameters if id(p) in sparse]


def make_optimizers(core: ReasoningCore, config: LearnerConfig) -> list[torch.optim.Optimizer]:
    """Makes the optimizers of a core's weights, each at its full rate; that of the sparse embeddings stands last.

    Muon moves the core's `hidden_matrices` and AdamW what it is not made for: embeddings, heads and vectors.
    With ``match_rms_adamw`` its update has about the root mean square of AdamW's, 0.2 times the rate (arXiv
    2502.16982), so that a learning rate and a weight decay have the same meaning for both; a rate of its own is in its
    own measure. It takes the stacked matrices of ``qkv`` and ``gate_up`` as one.

    Raises:
        ValueError: This torch has no Muon, or the core has no matrices for it.
    """
    dense, sparse = split_parameters(core)
    shared: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    optimizers: list[torch.optim.Optimizer] = []
    if config.optimizer == "muon":
        hidden = {id(p) for p in core.hidden_matrices()}
        if not hidden:
            raise ValueError(f"optimizer: 'muon' expected a core with hidden matrices, found none of {type(core)}")
        optimizers.append(_muon([p for p in dense if id(p) in hidden], config))
        dense = [p for p in dense if id(p) not in hidden]
    if config.optimizer == "adam-atan2":
        optimizers.append(AdamATan2(dense, betas=config.betas, **shared))
    else:
        fused = all(p.device.type in ("cpu", "cuda") for p in dense)
        optimizers.append(torch.optim.AdamW(dense, betas=config.betas, fused=fused, **shared))
    if sparse:
        embedding_lr = config.learning_rate if config.puzzle_embedding_lr is None else config.puzzle_embedding_lr
        optimizers.append(SparseSignSGD(sparse, lr=embedding_lr, weight_decay=config.weight_decay))
    return optimizers


_STATE = {"AdamATan2": ("exp_avg", "exp_avg_sq"), "AdamW": ("exp_avg", "exp_avg_sq"), "Muon": ("momentum_buffer",)}
_STEPS = {"AdamATan2": torch.int64, "AdamW": torch.float32}


def state_of(optimizer: torch.optim.Optimizer) -> list[dict[str, Tensor]]:
    """Returns what an optimizer of `make_optimizers` remembers of each parameter once that has had a gradient.

    Returns:
        Tensors by name, without memory: of the right shapes and types, on torch's ``meta`` device.
    """
    kind = type(optimizer).__name__
    steps = {"step": torch.empty((), dtype=_STEPS[kind], device="meta")} if kind in _STEPS else {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [steps | {name: torch.empty_like(p, device="meta") for name in _STATE.get(kind, ())} for p in parameters]


def _muon(params: list[nn.Parameter], config: LearnerConfig) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, "Muon"):
        raise ValueError(f"optimizer: 'muon' expected torch 2.9 or newer, found {torch.__version__}")
    rate, decay, momentum = config.muon_learning_rate, config.muon_weight_decay, config.muon_momentum
    return torch.optim.Muon(
        params,
        lr=config.learning_rate if rate is None else rate,
        weight_decay=config.weight_decay if decay is None else decay,
        momentum=config.betas[0] if momentum is None else momentum,
        adjust_lr_fn="match_rms_adamw" if rate is None else "original",
    )
