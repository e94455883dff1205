"""The one-step gradient judged: its direction and size against gradients through more of a segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from hrm_agent.config import Gradient
from hrm_agent.cores.carry import Carry
from hrm_agent.cores.core import ReasoningCore, SegmentOutput


class Agreement(NamedTuple):
    """How a gradient agrees with the full one.

    Attributes:
        cosine: Cosine of the angle between them.
        norm_ratio: Its norm, as a multiple of the norm of the full one.
    """

    cosine: float
    norm_ratio: float


def gradient_agreement(
    core: ReasoningCore,
    carry: Carry,
    inputs: Tensor,
    puzzle_id: Tensor,
    loss: Callable[[SegmentOutput], Tensor],
) -> dict[Gradient, Agreement]:
    """Compares the gradients that a segment's loss has under every scheme of `hrm_agent.config.Gradient`.

    Args:
        core: The network, which has the option ``gradient``; its weights and their gradients stay as they are.
        carry: The states before the segment.
        inputs: The puzzles, ``(B, L)`` int64.
        puzzle_id: Their rows of the puzzle embedding, ``(B,)`` int64.
        loss: Returns the loss of a segment, a scalar.
    """
    own = core.config
    found: dict[Gradient, Tensor] = {}
    try:
        for scheme in get_args(Gradient):
            core.config = replace(own, gradient=scheme)
            weights = [weight for weight in core.parameters() if weight.requires_grad and weight.ndim > 1]
            parts = torch.autograd.grad(loss(core(carry, inputs, puzzle_id)), weights, allow_unused=True)
            found[scheme] = torch.cat(
                [
                    (torch.zeros_like(weight) if part is None else part).to_dense().float().flatten()
                    for weight, part in zip(weights, parts, strict=True)
                ]
            )
    finally:
        core.config = own
    full = found["full"]
    return {
        scheme: Agreement(torch.cosine_similarity(vector, full, dim=0).item(), (vector.norm() / full.norm()).item())
        for scheme, vector in found.items()
    }


def graph_bytes(core: ReasoningCore, function: Callable[[], Tensor]) -> int:
    """Returns the bytes that the graph of a function's result keeps for the backward pass, weights not included.

    Args:
        core: The network, whose weights are not counted.
        function: Computes with gradient.
    """
    weights = {weight.untyped_storage().data_ptr() for weight in core.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = function()  # while it lives, so does all that its graph keeps
    del result
    return sum(kept.values())
