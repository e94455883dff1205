"""The mixer that tells a cell its neighbours: what it hears, every size of grid, learning, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from agents import OF_BLOCKS, solved_after, tiny_core, vector_env

from hrm_agent import PuzzleShape
from hrm_agent.cores.blocks import BlockCore
from hrm_agent.cores.neighbours import NeighbourMixer

NEIGHBOURS: dict[str, Any] = {"mixer": "neighbours", "puzzle_positions": 0}


def over_grid(name: str, rows: int, columns: int, **options: Any) -> BlockCore:
    core = tiny_core(name, shape=PuzzleShape(rows * columns, 6), grid_columns=columns, **NEIGHBOURS, **options)
    assert isinstance(core, BlockCore)
    return core


@torch.no_grad()
def test_a_cell_hears_of_the_four_beside_it_and_of_all() -> None:
    torch.manual_seed(0)
    rows, columns, dim = 3, 4, 2
    mixer = NeighbourMixer(dim, columns)
    x = torch.randn(2, rows * columns, dim)
    mixed, outside = mixer(x), torch.zeros(2, dim)
    for row, column in ((0, 0), (1, 2), (2, 3)):
        places = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        inside = [0 <= r < rows and 0 <= c < columns for r, c in places]
        heard = [x[:, r * columns + c] if known else outside for (r, c), known in zip(places, inside, strict=True)]
        expected = mixer.beside(torch.cat(heard, -1)) + mixer.everywhere(x.mean(1))
        torch.testing.assert_close(mixed[:, row * columns + column], expected)


@pytest.mark.parametrize("name", OF_BLOCKS)
@torch.no_grad()
def test_a_core_fits_grids_of_every_size(name: str) -> None:
    small, large = over_grid(name, 3, 4), over_grid(name, 9, 10)
    large.load_state_dict(small.state_dict())
    corner = torch.randint(1, 6, (1, 3, 4), generator=torch.Generator().manual_seed(0))
    padded = torch.ones(1, 9, 10, dtype=torch.long)
    padded[:, :3, :4] = corner
    ids = torch.zeros(1, dtype=torch.long)
    for inputs, core in ((corner.flatten(1), small), (padded.flatten(1), large)):
        output = core(core.initial_carry(1), inputs, ids)
        assert output.logits.shape == (1, core.shape.seq_len, 6)
        assert output.logits.isfinite().all()


def test_it_learns_mazes() -> None:
    options: dict[str, Any] = {"max_segments": 6, "augment": False}
    train = vector_env("HRM-Maze10x10-v0", 32, num_puzzles=2000, **options)
    test = vector_env("HRM-Maze10x10-v0", 64, order="once", split="test", num_puzzles=100, **options)
    assert solved_after(400, train, test, hidden_size=32, grid_columns=10, **NEIGHBOURS) > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "grid_columns: expected an integer from 1 to 16384, found None"),
        ({"grid_columns": 4}, "grid_columns: expected a divisor of the puzzle's 6 cells, found 4"),
        ({"grid_columns": 3, "puzzle_positions": 1}, "puzzle_positions: expected 0 with mixer 'neighbours', found 1"),
        ({"grid_columns": 3, "box": (2, 3)}, r"box: expected None with mixer 'neighbours', found \(2, 3\)"),
    ],
)
def test_bad_options_are_one_clear_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_core("hrm", shape=PuzzleShape(6, 6), **NEIGHBOURS | options)
