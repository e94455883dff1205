"""Mazes: which answers are right, the symmetries, and the files."""

from collections import Counter
from itertools import product
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mazes import find, is_shortest_path, random_maze, random_path, steps_from
from torch import Tensor

from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.task import PuzzleBatch
from hrm_env.tasks import make_task
from hrm_env.tasks.maze.generator import first_parent_path
from hrm_env.tasks.maze.task import FREE, GOAL, PATH, START, WALL, Maze
from hrm_env.testing import check_task


def tokens(*grids: np.ndarray) -> Tensor:
    return torch.as_tensor(np.stack(grids)).long().flatten(1)


def check(task: Maze, question: str, answer: str) -> bool:
    right: list[bool] = task.check(tokens(task.encode(question)), tokens(task.encode(answer))).tolist()
    return right[0]


TWO_WAYS = "S  # # #   G"  # 3x4: around the wall in the middle, left or right


@pytest.mark.parametrize(
    ("question", "answer", "right"),
    [
        (TWO_WAYS, "S  #o# #oooG", True),  # down, then right
        (TWO_WAYS, "Soo# #o#  oG", True),  # right, then down
        (TWO_WAYS, TWO_WAYS, False),  # no path
        (TWO_WAYS, "S  #o# # ooG", False),  # a gap
        (TWO_WAYS, "So #o# #oooG", False),  # a cell beside the path
        (TWO_WAYS, "Soo#o#o#oooG", False),  # both paths
        (TWO_WAYS, "So # o # ooG", False),  # through the wall
        (TWO_WAYS, "S   o# #oooG", False),  # a wall removed
        (TWO_WAYS, "S ##o# #oooG", False),  # a wall built
        (TWO_WAYS, "o  #o# #oooG", False),  # S gone
        (TWO_WAYS, "SS #o# #oooG", False),  # two S
        (TWO_WAYS, "S  #o# #oooo", False),  # G gone
        ("So # # #   G", "Soo# #o#  oG", True),  # given path cells bind
        ("So # # #   G", "S  #o# #oooG", False),
        ("S G         ", "SoG         ", True),
        ("S G         ", "S G ooo     ", False),  # a detour
        ("SG          ", "SG          ", True),  # nothing between
        ("SG          ", "SG  oo      ", False),
        ("S#  ##     G", "S#  ##     G", False),  # no way out
        ("S#  ##     G", "S#  ##  oooG", False),
        ("#   ##   o G", "#  S##   ooG", False),  # an answer may not bring the S
        ("            ", "            ", False),
    ],
)
def test_answers_by_hand(question: str, answer: str, right: bool) -> None:
    assert check(Maze(3, 4), question, answer) is right


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), shape=st.sampled_from([(3, 3), (3, 4), (4, 3)]), walls=st.floats(0.1, 0.7))
def test_of_all_answers_exactly_the_shortest_paths_are_right(seed: int, shape: tuple[int, int], walls: float) -> None:
    grid = random_maze(shape, walls, np.random.default_rng(seed))
    blanks = find(grid, FREE)[:9]
    answers = np.repeat(grid[None], 2 ** len(blanks), axis=0)
    for answer, filled in zip(answers, product((FREE, PATH), repeat=len(blanks)), strict=True):
        for cell, token in zip(blanks, filled, strict=True):
            answer[cell] = token
    found = Maze(*shape).check(tokens(*[grid] * len(answers)), tokens(*answers))
    assert found.tolist() == [is_shortest_path(grid, answer) for answer in answers]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), height=st.integers(3, 20), width=st.one_of(st.integers(3, 20), st.integers(60, 63)))
def test_any_shortest_path_is_right_and_none_with_one_cell_changed(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    task, grid = Maze(height, width), random_maze((height, width), 0.3, rng)
    if find(grid, GOAL)[0] not in steps_from(grid, find(grid, START)[0]):
        assert not task.check(tokens(grid), tokens(grid)).any()
        return
    paths = [random_path(grid, rng) for _ in range(4)]
    assert task.check(tokens(*[grid] * 4), tokens(*paths)).all()
    for path, cell in zip(paths, rng.integers(grid.size, size=4), strict=True):
        path.flat[cell] = rng.choice([token for token in range(6) if token != path.flat[cell]])
    assert not task.check(tokens(*[grid] * 4), tokens(*paths)).any()


def test_the_longest_of_paths_is_followed_to_its_end() -> None:
    """A serpentine takes three times as many steps as a random maze."""
    task, grid = Maze(31, 31), np.full((31, 31), FREE, dtype=np.uint8)
    grid[1::2] = WALL
    grid[1::4, -1] = grid[3::4, 0] = FREE
    grid[0, 0], grid[-1, 0] = START, GOAL
    path = np.where(grid == FREE, PATH, grid)
    assert (path == PATH).sum() == 16 * 31 + 15 - 2
    assert task.check(tokens(grid), tokens(path)).all()


def test_a_device_that_never_stops_early_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    task, rng = Maze(6, 5), np.random.default_rng(0)
    grids = [random_maze((6, 5), 0.4, rng) for _ in range(200)]
    solvable = [find(grid, GOAL)[0] in steps_from(grid, find(grid, START)[0]) for grid in grids]
    answers = [random_path(grid, rng) if can else grid for grid, can in zip(grids, solvable, strict=True)]
    assert task.check(tokens(*grids), tokens(*answers)).tolist() == solvable
    monkeypatch.setattr(torch, "equal", lambda *_: False)
    assert task.check(tokens(*grids), tokens(*answers)).tolist() == solvable


def test_the_check_never_waits_for_a_device() -> None:
    """Tensors without data refuse every operation whose outcome the host would have to wait for."""
    inputs = torch.ones(7, 30, dtype=torch.long, device="meta")
    assert Maze(6, 5).check(inputs, inputs).shape == (7,)


@pytest.mark.parametrize(("shape", "symmetries"), [((4, 4), 8), ((3, 5), 4)])
def test_augmentation_draws_every_symmetry_as_often(shape: tuple[int, int], symmetries: int) -> None:
    task, rng = Maze(*shape), np.random.default_rng(0)
    grid = random_maze(shape, 0.4, rng)
    tokens = np.repeat(grid.reshape(1, -1), 8000, axis=0)
    many = PuzzleBatch.of(Puzzles(tokens, tokens))
    drawn = task.augment(many, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.inputs, drawn.solution)
    variants = drawn.inputs.numpy().astype(np.uint8)
    counts = Counter(row.tobytes() for row in variants)
    assert len(counts) == symmetries
    assert all(abs(count - 8000 / symmetries) < 0.15 * 8000 / symmetries for count in counts.values())
    assert len(np.unique(task.symmetry_key(variants))) == 1


def test_puzzles_that_are_not_symmetric_have_keys_of_their_own() -> None:
    task, rng = Maze(6, 6), np.random.default_rng(0)
    grids = np.stack([random_maze((6, 6), 0.4, rng) for _ in range(500)])
    keys = task.symmetry_key(grids.reshape(500, -1))
    assert len(np.unique(keys)) == 500
    assert 200 < (keys % np.uint64(2)).sum() < 300


@pytest.mark.parametrize("shape", [(8, 8), (5, 9)])
def test_symmetric_variants_stay_solved_and_as_long(shape: tuple[int, int]) -> None:
    task = Maze(*shape)
    puzzles = task.generate(50, np.random.default_rng(0))
    variant = task.augment(PuzzleBatch.of(puzzles), torch.Generator().manual_seed(1))
    assert task.check(variant.inputs, variant.solution).all()
    assert ((variant.solution == PATH).sum(-1) + 2).tolist() == puzzles.rating.tolist()
    assert not torch.equal(variant.inputs, PuzzleBatch.of(puzzles).inputs)


def test_rules_pay_any_shortest_path_and_exact_only_the_stored_one() -> None:
    task = Maze(3, 4)
    stored, other = (task.encode(text) for text in ("S  #o# #oooG", "Soo# #o#  oG"))
    source = Puzzles(task.encode(TWO_WAYS)[None], stored[None])
    for reward, paid in (("rules", [1, 1, 0]), ("exact", [1, 0, 0])):
        env = gym.make_vec("HRM-Maze-v0", num_envs=3, task=task, source=source, reward=reward)
        env.reset(seed=0)
        answers = np.stack([stored, other, source.inputs[0]]).astype(np.int64)
        assert env.step(np.append(answers, np.ones((3, 1), dtype=np.int64), axis=1))[1].tolist() == paid


def test_eased_mazes_give_away_a_part_of_the_path() -> None:
    env = gym.make("HRM-Maze10x10-v0", num_puzzles=5, blank_fraction=0.5, reward="rules")
    observation, info = env.reset(seed=0)
    assert 0 < (observation["inputs"] == PATH).sum() < (info["solution"] == PATH).sum()
    assert env.step(np.append(info["solution"], 1))[1] == 1


UNSOLVED = "expected a solution by the rules of maze:3x3"
BAD_MAZES = {  # 3x3: question, answer, what is said of the row
    "no S": ("       G ", "      oG ", UNSOLVED),
    "an S only in the answer": ("       G ", "      SG ", UNSOLVED),
    "no G": ("S        ", "So       ", UNSOLVED),
    "several S": ("S G    S ", "SoG    S ", UNSOLVED),
    "several G": ("S G    G ", "SoG    G ", UNSOLVED),
    "no way": ("S#G # # #", "S#G # # #", UNSOLVED),
    "no path": ("S G      ", "S G      ", UNSOLVED),
    "a broken path": ("S       G", "So o    G", UNSOLVED),
    "a cell beside the path": ("S G      ", "SoGo     ", UNSOLVED),
    "through a wall": ("S#G      ", "SoG      ", "expected the given '#' at cell 2, found 'o'"),
    "a moved S": ("S G      ", " SG      ", "expected the given 'S' at cell 1, found ' '"),
    "another character": ("S.G      ", "SoG      ", "expected characters of '# SGo', found '.'"),
    "too short": ("S G     ", "SoG     ", "expected 9 characters, found 8"),
}


@pytest.mark.parametrize("kind", BAD_MAZES)
def test_malformed_mazes_are_bad_rows(tmp_path: Path, kind: str) -> None:
    question, answer, message = BAD_MAZES[kind]
    path = tmp_path / "mazes.csv"
    path.write_text(f"question,answer\nS G      ,SoG      \n{question},{answer}\n")
    with pytest.raises(ValueError, match=rf"line 3: .*{message}"):
        load_puzzles(Maze(3, 3), str(path))
    assert load_puzzles(Maze(3, 3), str(path), bad_rows="skip").skipped == 1


@pytest.mark.parametrize(("name", "count"), [("train", 1000), ("test", 500)])
def test_real_mazes_load_and_keep_their_tie_break(shared_data: Path, name: str, count: int) -> None:
    task = Maze()
    puzzles = load_puzzles(task, str(shared_data / "maze" / f"{name}.csv.gz"))
    assert (len(puzzles), puzzles.skipped, puzzles.rating.min() >= 110) == (count, 0, True)
    grids = puzzles.solution.reshape(-1, 30, 30)
    for grid, rating in zip(grids, puzzles.rating, strict=True):
        path = first_parent_path(grid != WALL, find(grid, START)[0], find(grid, GOAL)[0])
        assert len(path) == rating
        assert sorted(path[1:-1]) == find(grid, PATH)


def test_names_sizes_and_what_every_task_holds() -> None:
    assert (make_task("maze:30x30").spec.seq_len, make_task("maze:5x7").spec.vocab_size) == (900, 6)
    for size in ((2, 9), (9, 64)):
        with pytest.raises(ValueError, match=rf"Maze: expected 3 to 63 rows and columns, found {size[0]}x{size[1]}"):
            Maze(*size)
    check_task(Maze(5, 7), count=8)
