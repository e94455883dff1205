"""The maze generator: what it makes is as long as it says, and its searches agree with the textbook."""

import numpy as np
import pytest
from mazes import find, random_maze, steps_from

from hrm_env.sources import load_puzzles
from hrm_env.tasks.maze.generator import far_pairs, first_parent_path, make_mazes, reach
from hrm_env.tasks.maze.search import flood, longest_path, pack, single_cells
from hrm_env.tasks.maze.task import FREE, GOAL, PATH, START, WALL, Maze

SHAPES = [(5, 7), (12, 4), (9, 33), (3, 63)]


def layouts(shape: tuple[int, int], count: int, seed: int = 0) -> np.ndarray:
    """Free cells ``(S, H, W)``."""
    rng = np.random.default_rng(seed)
    return np.stack([random_maze(shape, walls, rng) != WALL for walls in rng.uniform(0.1, 0.5, count)])


def steps(free: np.ndarray, start: tuple[int, int]) -> dict[tuple[int, int], int]:
    return steps_from(np.where(free, FREE, WALL), start)


def pairs(free: np.ndarray, low: int, high: int) -> set[tuple[int, ...]]:
    """Rows and columns of all ordered pairs, one search per cell."""
    cells = find(free, True)
    return {(*a, *b) for a in cells for b, steps_to in steps(free, a).items() if low <= steps_to <= high}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flood_goes_as_far_as_it_can(shape: tuple[int, int]) -> None:
    free = layouts(shape, 30)
    starts = [find(layout, True)[0] for layout in free]
    for limit in (1, 4, 1000):
        found = flood(pack(free), single_cells(np.array(starts), *shape), limit)
        for maze, (layout, start) in enumerate(zip(free, starts, strict=True)):
            within = {cell: step for cell, step in steps(layout, start).items() if step <= limit}
            farthest = max(within.values())
            assert found.steps[maze] == farthest
            if farthest:
                last = np.zeros((1, *shape), dtype=np.bool_)
                last[0][tuple(zip(*(cell for cell in within if within[cell] == farthest), strict=True))] = True
                assert np.array_equal(found.last[:, [maze]], pack(last))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (3, 3), (6, 9), (9, 999), (50, 60)])
def test_far_pairs_are_all_pairs_within_bounds(low: int, high: int) -> None:
    free = layouts((6, 7), 5)
    starts, goals = far_pairs(free, np.ones_like(free), low, high)
    for layout in range(5):
        of_layout = starts[:, 0] == layout
        found = np.concatenate([starts[of_layout, 1:], goals[of_layout]], axis=1).tolist()
        assert len(found) == len(set(map(tuple, found)))
        assert set(map(tuple, found)) == pairs(free[layout], low, high)
    tried = np.zeros_like(free)
    tried[2, :3] = True
    some = far_pairs(free, tried, low, high)[0]
    assert some.tolist() == starts[(starts[:, 0] == 2) & (starts[:, 1] < 3)].tolist()


def test_sweeps_find_nothing_that_is_not_there_and_most_of_what_is() -> None:
    free = layouts((10, 10), 400)
    for low in (1, 12, 19, 26):
        exists = np.bincount(far_pairs(free, np.ones_like(free), low, 99)[0][:, 0], minlength=400) > 0
        found = reach(free, low)
        assert not (found & ~exists).any()
        assert found.sum() >= 0.8 * exists.sum() > 0


def test_the_first_parent_wins() -> None:
    """In an open field all ways to the opposite corner are as long; the order down, left, right, up takes this one."""
    field = np.ones((3, 3), dtype=np.bool_)
    assert first_parent_path(field, (0, 0), (2, 2)) == [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]
    assert first_parent_path(field, (2, 2), (0, 0)) == [(2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]
    assert first_parent_path(field, (2, 0), (0, 2)) == [(2, 0), (2, 1), (2, 2), (1, 2), (0, 2)]
    assert first_parent_path(field, (0, 2), (2, 0)) == [(0, 2), (1, 2), (2, 2), (2, 1), (2, 0)]
    assert first_parent_path(field, (1, 1), (1, 1)) == [(1, 1)]


@pytest.mark.parametrize(
    ("shape", "options", "bounds"),
    [
        ((10, 10), {}, (20, 75)),
        ((5, 7), {}, (12, 29)),
        ((10, 10), {"min_rating": 15, "max_rating": 15}, (15, 15)),
        ((7, 5), {"min_rating": 2, "max_rating": 3}, (2, 3)),
        ((4, 63), {"min_rating": 40, "max_rating": 50}, (40, 50)),
        ((30, 30), {}, (110, 675)),
        ((30, 30), {"min_rating": 50, "max_rating": 60}, (50, 60)),
    ],
)
def test_ratings_are_exact_and_within_bounds(
    shape: tuple[int, int], options: dict[str, int], bounds: tuple[int, int]
) -> None:
    puzzles = Maze(*shape).generate(6, np.random.default_rng(0), **options)
    for tokens, solution, rating in zip(puzzles.inputs, puzzles.solution, puzzles.rating, strict=True):
        grid, solved = tokens.reshape(shape), solution.reshape(shape)
        (start,), (goal,) = find(grid, START), find(grid, GOAL)
        assert steps_from(grid, start)[goal] + 1 == rating == (solved == PATH).sum() + 2
        assert bounds[0] <= rating <= bounds[1]
        assert find(solved, PATH) == sorted(first_parent_path(grid != WALL, start, goal)[1:-1])
        assert np.array_equal(np.where(solved == PATH, FREE, solved), grid)


def test_default_ratings_are_those_of_maze_hard_and_twice_the_side() -> None:
    assert Maze(8, 8).generate(60, np.random.default_rng(0)).rating.min() == 16
    assert Maze(9, 6).generate(60, np.random.default_rng(0)).rating.min() == 15


def test_mazes_are_as_walled_as_asked_and_prefer_no_side() -> None:
    mazes = make_mazes(400, 10, 10, (10, 75), np.random.default_rng(0))
    free = np.mean([maze.free for maze in mazes], axis=0)
    assert 0.5 < free.mean() < 0.75
    assert abs(free - free.mean()).max() < 0.15
    for end in (0, -1):
        middle = np.mean([maze.path[end] for maze in mazes], axis=0)
        assert abs(middle - 4.5).max() < 0.6


def test_seeds_repeat_and_splits_are_disjoint_up_to_symmetry() -> None:
    task = Maze(6, 6)
    first, again, other = (task.generate(20, np.random.default_rng(seed)).inputs for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    train, test = (load_puzzles(task, split=split, num_puzzles=200) for split in ("train", "test"))
    keys = [set(task.symmetry_key(part.inputs).tolist()) for part in (train, test)]
    assert not keys[0] & keys[1]
    assert {key % 2 for key in keys[0]} == {1}


def test_impossible_ratings_are_refused_and_rare_ones_given_up() -> None:
    def make(**options: int) -> None:
        Maze(6, 6).generate(5, np.random.default_rng(0), **options)

    for rating in (1, 28):
        with pytest.raises(ValueError, match=f"min_rating: expected 2 to 27 cells in a 6x6 maze, found {rating}"):
            make(min_rating=rating)
    with pytest.raises(ValueError, match="max_rating: expected at least min_rating, which is 12, found 11"):
        make(max_rating=11)
    with pytest.raises(ValueError, match=r"only \d of \d+ random 6x6 mazes have a shortest path of 26 cells or more"):
        make(min_rating=26)


def test_no_shortest_path_is_longer_than_the_bound() -> None:
    """All 512 layouts of 3x3, and the longest path of each."""
    bits = np.arange(512)[:, None] >> np.arange(9) & 1
    longest = max(
        steps_to + 1
        for layout in (bits == 1).reshape(-1, 3, 3)
        for cell in find(layout, True)
        for steps_to in steps(layout, cell).values()
    )
    assert longest == 7 <= longest_path(3, 3) == 8
