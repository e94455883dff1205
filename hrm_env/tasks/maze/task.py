"""Mazes: the shortest way from S to G."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.checks import check_integer
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.style import Style
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleSpec, PuzzleTask
from hrm_env.tasks.maze.generator import make_mazes
from hrm_env.tasks.maze.search import LONGEST_ROW, distance, longest_path, pack_tensor

WALL, FREE, START, GOAL, PATH = 1, 2, 3, 4, 5  # tokens of the HRM reference code; PAD is 0
MAZE_HARD = 110  # cells on the shortest path of the easiest puzzle of Maze-Hard


class Maze(PuzzleTask):
    """Mark the cells between S and G that form a shortest path; a step leads to one of the four neighbours.

    Shortest paths are almost never unique, so two metrics are worth telling apart. The exact match asks for the stored
    path, and with it for a tie-break: Maze-Hard and our generator store the one of `first_parent_path`. The check, and
    with it ``reward="rules"``, takes any shortest path. A turned or mirrored puzzle keeps its own path, turned along,
    which the tie-break would mostly not have chosen.

    Text is ``#`` wall, `` `` free, ``S``, ``G`` and ``o`` for the path, in rows from top to bottom.

    Args:
        height: Rows, 3 to 63.
        width: Columns, 3 to 63.
    """

    alphabet = "# SGo"
    blank = " "
    style = Style(paints={"#": "#2f363d", "S": "#0969da", "G": "#8250df"}, written="SG", line=None)

    def __init__(self, height: int = 30, width: int = 30) -> None:
        if not (3 <= height <= LONGEST_ROW and 3 <= width <= LONGEST_ROW):
            raise ValueError(f"Maze: expected 3 to {LONGEST_ROW} rows and columns, found {height}x{width}")
        self.spec = PuzzleSpec(f"maze:{height}x{width}", height, width, vocab_size=len(self.alphabet) + 1)

    def generate(
        self,
        count: int,
        rng: np.random.Generator,
        min_rating: int | None = None,
        max_rating: int | None = None,
    ) -> Puzzles:
        """Makes mazes as those of Maze-Hard seem to be made; `make_mazes` tells how, and where it differs.

        Args:
            count: How many.
            rng: The only source of randomness.
            min_rating: Cells on the shortest path at least, S and G included. By default 110 at 30×30, as in Maze-Hard,
                else height + width.
            max_rating: The same at most; by default there is no limit.

        Returns:
            Puzzles whose rating is the number of cells on the shortest path, S and G included.

        Raises:
            ValueError: The bounds are impossible, or hardly any random maze meets them.
        """
        height, width = self.spec.height, self.spec.width
        default = MAZE_HARD if (height, width) == (30, 30) else height + width
        low = default if min_rating is None else check_integer("min_rating", min_rating)
        high = longest_path(height, width) if max_rating is None else check_integer("max_rating", max_rating)
        inputs = np.full((count, height, width), WALL, dtype=np.uint8)
        solution, rating = inputs.copy(), np.zeros(count, dtype=np.int32)
        for row, (free, path) in enumerate(make_mazes(count, height, width, (low, high), rng)):
            for grid in (inputs[row], solution[row]):
                grid[free] = FREE
                grid[path[0]], grid[path[-1]] = START, GOAL
            for cell in path[1:-1]:
                solution[row][cell] = PATH
            rating[row] = len(path)
        return Puzzles(inputs.reshape(count, -1), solution.reshape(count, -1), rating)

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """One S and one G, blanks are free or path, and the path is a shortest one: which one does not matter.

        With d(cells) the steps from S to G inside a set of cells, an answer with n path cells is right if and only if
        d(free cells) = d(path cells) = n + 1: then the path is as short as can be, and no path cell lies beside it.
        """
        path = answer == PATH
        well_formed = ((inputs != FREE) | (answer == FREE) | path).all(-1)
        for token in (START, GOAL):
            well_formed &= (inputs == token).sum(-1) == 1
        start, goal = self._masks(inputs == START), self._masks(inputs == GOAL)
        allowed = torch.cat([self._masks(inputs > WALL), self._masks(path) | start | goal], dim=1)
        limit = longest_path(self.spec.height, self.spec.width) - 1
        shortest, along = distance(allowed, start.repeat(1, 2), goal.repeat(1, 2), limit).chunk(2)
        return well_formed & (shortest == along) & (along == path.sum(-1) + 1)

    def _masks(self, cells: Tensor) -> Tensor:
        """Bit masks ``(H, B)`` int64 of cells ``(B, L)`` bool."""
        return pack_tensor(cells.reshape(-1, self.spec.height, self.spec.width))

    def symmetries(self, count: int, generator: torch.Generator) -> Symmetry:
        """Flip rows and columns, and transpose square mazes: each of the 8 or 4 symmetries is as likely."""
        height, width, device = self.spec.height, self.spec.width, generator.device
        coins = torch.rand(3, count, 1, 1, generator=generator, device=device) < 0.5
        cells = torch.arange(height * width, device=device).view(1, height, width)
        cells = torch.where(coins[0], cells.flip(1), cells)
        cells = torch.where(coins[1], cells.flip(2), cells)
        if height == width:
            cells = torch.where(coins[2], cells.mT, cells)
        unchanged = torch.arange(self.spec.vocab_size, device=device).expand(count, -1)
        return Symmetry(cells.flatten(1), unchanged)

    def symmetry_key(self, inputs: Tokens) -> npt.NDArray[np.uint64]:
        """The least hash of all symmetric variants."""
        grids = inputs.reshape(-1, self.spec.height, self.spec.width)
        turned = [grids, grids.swapaxes(1, 2)] if self.spec.height == self.spec.width else [grids]
        variants = [grid[:, ::down, ::right] for grid in turned for down in (1, -1) for right in (1, -1)]
        keys = [super(Maze, self).symmetry_key(variant.reshape(len(inputs), -1)) for variant in variants]
        least: npt.NDArray[np.uint64] = np.min(keys, axis=0)
        return least
