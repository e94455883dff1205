"""A mixer for grids: a cell hears of the cells beside it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrm_agent.cores.layers import Linear


class NeighbourMixer(nn.Module):
    """Tells every cell its four neighbours, each through a linear map of its own, and the mean of all cells.

    A block carries a message one step, so that a core's depth is the distance that it sees in a segment. All cells have
    the same weights: those of a trained core fit grids of every size.

    Args:
        dim: Width D.
        columns: Columns W of the grid; outside of it are zeros.
    """

    def __init__(self, dim: int, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self.beside = Linear(4 * dim, dim)
        self.everywhere = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, H·W, D)`` to ``(B, H·W, D)``."""
        grid = F.pad(x.unflatten(1, (-1, self.columns)), (0, 0, 1, 1, 1, 1))
        above, below = grid[:, :-2, 1:-1], grid[:, 2:, 1:-1]
        left, right = grid[:, 1:-1, :-2], grid[:, 1:-1, 2:]
        mixed: Tensor = self.beside(torch.cat([above, below, left, right], -1)).flatten(1, 2)
        mixed = mixed + self.everywhere(x.mean(1, keepdim=True))
        return mixed
