"""The Tiny Recursive Model (arXiv 2510.04871): HRM with one network in place of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hrm_agent.cores.hrm import Gradient, HRMConfig
from hrm_agent.cores.layers import MixerNorm


@dataclass(frozen=True)
class TRMConfig(HRMConfig):
    """Options of TRM: those of HRM, with the defaults of TinyRecursiveModels.

    One network of two blocks is both f_L and f_H (``h_layers`` 0), a segment is N = 3 cycles of T = 6 steps, the
    gradient goes through the last cycle, and 16 positions stand in front of the puzzle, the first of which holds the
    puzzle embedding: on 9x9 Sudoku 6,828,034 parameters with attention and 5,028,866 with ``mixer="mlp"``, beside that
    embedding. Its MLP mixer normalises over the positions. What TRM calls the answer y and the latent z are z_H and z_L
    here. For the attributes see `HRMConfig`.
    """

    name: ClassVar[str] = "trm"

    h_layers: int = 0
    l_layers: int = 2
    h_cycles: int = 3
    l_cycles: int = 6
    mixer_multiple: int = 256
    mixer_norm: MixerNorm = "positions"
    puzzle_positions: int = 16
    embedded_positions: int | None = 1
    gradient: Gradient = "last-cycle"
