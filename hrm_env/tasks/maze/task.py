"""Mazes: the agent finds a shortest path from S to G."""

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
MAZE_HARD = 110  # shortest path, in cells, of the easiest puzzle of Maze-Hard


class Maze(PuzzleTask):
    """The agent marks the cells of a shortest path between S and G; a step leads to one of the four neighbours.

    Shortest paths are almost never unique, so two metrics differ. The exact match requires the stored path, and so
    implies a tie-break: Maze-Hard and our generator store the path of `first_parent_path`. The check, and with it
    ``reward="rules"``, accepts any shortest path. A rotated or reflected puzzle keeps its own path, which
    is mostly not the path that the tie-break would choose.

    Text is ``#`` for a wall, `` `` for a free cell, ``S``, ``G``, and ``o`` for the path, in rows from top to bottom.

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
        """Generates mazes as Maze-Hard seems to have been generated; `make_mazes` says how, and where it differs.

        Args:
            count: Number of mazes.
            rng: The only source of randomness.
            min_rating: Smallest length of the shortest path in cells, including S and G. Default: 110 at 30×30, as in
                Maze-Hard, else height + width.
            max_rating: Largest length of the shortest path in cells; None sets no bound.

        Returns:
            Puzzles whose rating is the length of the shortest path in cells, including S and G.

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
        """Returns whether each answer has one S and one G and marks any shortest path on blank cells.

        Let d(cells) be the number of steps from S to G inside a set of cells. An answer with n path cells is right if
        and only if d(free cells) = d(path cells) = n + 1: then the path is shortest, and no other cell is marked.
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
        """Returns bit masks ``(H, B)`` int64 of cells ``(B, L)`` bool."""
        return pack_tensor(cells.reshape(-1, self.spec.height, self.spec.width))

    def symmetries(self, count: int, generator: torch.Generator) -> Symmetry:
        """Draws reflections, and transpositions of square mazes; all 8 (or 4) symmetries are equally likely."""
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
        """Returns the smallest hash of all symmetric variants, ``(N,)`` uint64."""
        grids = inputs.reshape(-1, self.spec.height, self.spec.width)
        turned = [grids, grids.swapaxes(1, 2)] if self.spec.height == self.spec.width else [grids]
        variants = [grid[:, ::down, ::right] for grid in turned for down in (1, -1) for right in (1, -1)]
        keys = [super(Maze, self).symmetry_key(variant.reshape(len(inputs), -1)) for variant in variants]
        least: npt.NDArray[np.uint64] = np.min(keys, axis=0)
        return least
