"""Options of the lattice core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hrm_agent.config.core import BlockConfig, Gradient
from hrm_env.checks import check_flag, check_integer, check_number
from hrm_env.puzzles import MOST_TOKENS


@dataclass(frozen=True)
class LatticeConfig(BlockConfig):
    """Options of the lattice core, after the lattice deduction transformer (arXiv 2605.08605).

    Of the task it needs the alphabet, which is the V tokens, and which cells are given (``blank``). A grid takes
    two-dimensional positions, such as ``positions="learned-2d", grid_columns=9``. For the other attributes see
    `BlockConfig`.

    Attributes:
        layers: Blocks of the one network.
        loops: Times a segment applies it, each with a token loss of its own.
        blank: Token of a cell to be filled in, any other being given and its own only candidate; None where no cell of
            the answer is given. 1 for every Sudoku and Latin square, 2 for mazes.
        threshold: A segment strikes out the candidates that may be right with less than this probability, as the keep
            head says; a tenth of it after every time it has to begin anew.
        keep_weight: How many times as much it costs the keep head to strike out the solution as to keep another token.
        conflict_weight: Weight of the conflict head's loss beside the token loss.
        search: Guess where nothing follows. Without it an episode is one chain of eliminations.
        patience: Segments after which a search begins anew, from another hidden state; 0 for never.
        carry_state: Begin a segment with the hidden state of the one before, else with zeros.
    """

    name: ClassVar[str] = "lattice"
    depth_options: ClassVar[dict[str, int]] = {"loops": 1, "layers": 1}

    hidden_size: int = 128
    num_heads: int = 4
    expansion: float = 3.0
    gradient: Gradient = "full"
    layers: int = 4
    loops: int = 4
    blank: int | None = 1
    threshold: float = 0.1
    keep_weight: float = 8.0
    conflict_weight: float = 1.0
    search: bool = True
    patience: int = 16
    carry_state: bool = True

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        if self.blank is not None:
            check_integer("blank", self.blank, 0, MOST_TOKENS)
        if check_number("threshold", self.threshold, 0, 1) == 1:
            raise ValueError("threshold: expected a number from 0 to below 1, found 1")
        check_number("keep_weight", self.keep_weight, 1)
        check_number("conflict_weight", self.conflict_weight, 0)
        check_flag("search", self.search)
        check_integer("patience", self.patience, 0, MOST_TOKENS)
        check_flag("carry_state", self.carry_state)

    @property
    def passes(self) -> int:
        """Blocks that a row passes through in a segment at full depth."""
        return self.loops * self.layers

    @property
    def cycles(self) -> tuple[int, int]:
        """Loops, as cycles of one step each."""
        return self.loops, 1
