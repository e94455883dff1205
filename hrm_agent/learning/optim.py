"""Optimizers and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn


class AdamATan2(torch.optim.Optimizer):
    """AdamATan2 (arXiv 2407.05872): Adam whose update a·atan2(m̂, b·√v̂) needs no epsilon, with decoupled weight decay.

    Args:
        params: Parameters or groups.
        lr: Learning rate.
        betas: Decay of the two moments.
        weight_decay: Decoupled: weights shrink by ``lr * weight_decay`` a step.
        a: Scale of the update.
        b: Scale of the denominator.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.1,
        a: float = 1.27,
        b: float = 1.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "a": a, "b": b})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] = {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            self.state[p]["step"] += 1
        grads = [cast(Tensor, p.grad) for p in params]
        first = [self.state[p]["exp_avg"] for p in params]
        second = [self.state[p]["exp_avg_sq"] for p in params]
        steps = [self.state[p]["step"] for p in params]
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(first, grads, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, grads, grads, 1 - beta2)
        denominator = torch._foreach_div(second, [(1 - beta2**step) / group["b"] ** 2 for step in steps])
        torch._foreach_sqrt_(denominator)
        update = torch._foreach_div(first, [1 - beta1**step for step in steps])
        for u, d in zip(update, denominator, strict=True):
            u.atan2_(d)
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(params, update, alpha=-group["lr"] * group["a"])


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
                    grad = p.grad.coalesce()
                    rows = grad.indices()[0]
                    decayed = p[rows] * (1 - group["lr"] * group["weight_decay"])
                    p[rows] = decayed - group["lr"] * grad.values().sign()


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam-atan2": AdamATan2, "adamw": torch.optim.AdamW}


def split_parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters with dense gradients, and those of sparse embeddings."""
    sparse = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding) and m.sparse}
    parameters = list(module.parameters())
    return [p for p in parameters if id(p) not in sparse], [p for p in parameters if id(p) in sparse]


def learning_rate_factor(step: int, warmup_steps: int, total_steps: int, min_ratio: float) -> float:
    """Linear warm-up from 0, then a half cosine from 1 down to ``min_ratio`` (1 keeps the rate constant).

    Args:
        step: Optimizer steps made so far.
        warmup_steps: Steps until the full rate.
        total_steps: Steps of the whole run.
        min_ratio: The rate at the end, as a share of the full rate.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return min_ratio + (1 - min_ratio) * 0.5 * (1 + math.cos(math.pi * progress))
