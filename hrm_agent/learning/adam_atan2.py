"""AdamATan2, the optimizer of the HRM reference code, which torch does not have."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from hrm_agent.cores.compiling import compiled_or_plain


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
        self._move = _move

    def compile(self) -> None:
        """Compiles what a step computes: one pass over the weights instead of nine. Where that fails, it warns."""
        self._move = compiled_or_plain(_move)

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
        # tensors, for a compiler would take numbers that change with the step as constants; on the host, as numbers are
        number = partial(torch.tensor, dtype=torch.float64, device="cpu")
        steps = number([self.state[p]["step"] for p in params])
        beta1, beta2 = group["betas"]
        self._move(
            params,
            [cast(Tensor, p.grad) for p in params],
            [self.state[p]["exp_avg"] for p in params],
            [self.state[p]["exp_avg_sq"] for p in params],
            group["betas"],
            list((1 - beta1**steps).unbind()),
            list(((1 - beta2**steps) / group["b"] ** 2).unbind()),
            number(1 - group["lr"] * group["weight_decay"]),
            number(-group["lr"] * group["a"]),
        )


def _move(
    params: list[Tensor],
    grads: list[Tensor],
    first: list[Tensor],
    second: list[Tensor],
    betas: tuple[float, float],
    first_correction: list[Tensor],
    second_correction: list[Tensor],
    decay: Tensor,
    rate: Tensor,
) -> None:
    """Updates parameters and both moments in place; a correction is what a moment's sum of weights falls short of 1."""
    torch._foreach_lerp_(first, grads, 1 - betas[0])
    torch._foreach_mul_(second, betas[1])
    torch._foreach_addcmul_(second, grads, grads, 1 - betas[1])
    denominator = torch._foreach_div(second, second_correction)
    torch._foreach_sqrt_(denominator)
    update = torch._foreach_div(first, first_correction)
    for u, d in zip(update, denominator, strict=True):
        u.atan2_(d)
    torch._foreach_mul_(params, decay)
    torch._foreach_mul_(update, rate)
    torch._foreach_add_(params, update)
