"""Parts of puzzles: what is tested shares nothing with what is trained on, and stands for the whole."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tyro

from hrm_env.puzzles import Puzzles, concatenate
from hrm_env.sources import load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.sources.folder import write_folder
from hrm_env.tasks import make_task
from hrm_env.tasks.sudoku.task import Sudoku
from train.data_writing import with_variants
from train.environments import test_arguments as arguments_of_test
from train.environments import training_and_test_env
from train.presets import Data
from train.splitting import hold_out, related, sample
from train.trained import TestPuzzles as Tried

TASK = Sudoku(2, 3)
ENV = "HRM-Sudoku6x6-v0"


def in_groups(sizes: list[int]) -> Puzzles:
    """Puzzles of two cells, numbered, in groups of these sizes."""
    cells = np.arange(sum(sizes), dtype=np.uint8).repeat(2).reshape(-1, 2)
    group = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return Puzzles(cells, cells, group=group)


def same(a: Puzzles, b: Puzzles) -> bool:
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.solution, b.solution)


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    """Twenty, no two of which are symmetric."""
    puzzles = load_puzzles(TASK, num_puzzles=20)
    assert len(set(TASK.symmetry_key(puzzles.inputs))) == 20
    return puzzles


def test_round_robin_takes_the_first_of_every_group_first() -> None:
    assert in_groups([3, 1, 2]).round_robin().tolist() == [0, 3, 4, 1, 5, 2]
    assert in_groups([1] * 4).round_robin().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("sizes", "count", "rows"),
    [
        ([4, 4, 4], 3, [0, 4, 8]),
        ([4, 4, 4], 5, [0, 1, 4, 5, 8]),
        ([4, 1, 4], 5, [0, 1, 4, 5, 6]),
        ([9, 1, 1], 6, [0, 1, 2, 3, 9, 10]),
        ([2, 2, 2, 2], 2, [0, 4]),
        ([1] * 10, 4, [0, 2, 5, 7]),
        ([2, 2], 4, [0, 1, 2, 3]),
        ([2, 2], 9, [0, 1, 2, 3]),
        ([2, 2], 0, []),
    ],
)
def test_a_part_is_spread_over_all_groups(sizes: list[int], count: int, rows: list[int]) -> None:
    part = in_groups(sizes).spread(count)
    assert part.inputs[:, 0].tolist() == rows
    assert part.group.tolist() == np.repeat(range(len(sizes)), sizes)[rows].tolist()


def test_what_is_held_out_are_the_last_rows_where_nothing_is_related(puzzles: Puzzles) -> None:
    train, test = hold_out(TASK, replace(puzzles, skipped=3), 6)
    assert same(train, puzzles[:14])
    assert same(test, puzzles[14:])
    assert np.shares_memory(train.inputs, puzzles.inputs)
    assert (train.skipped, test.skipped) == (3, 0)
    assert len(hold_out(TASK, puzzles, "auto")[1]) == 2


def test_variants_stay_together(puzzles: Puzzles) -> None:
    grouped = with_variants(TASK, puzzles[:8], 4, seed=0)
    rng = np.random.default_rng(0)
    alone = replace(grouped, group=np.arange(40, dtype=np.int32))[rng.permutation(40)]
    for whole in (grouped, replace(alone, group=np.arange(40, dtype=np.int32))):
        for count in (1, 5, 6, 17, 35):
            train, test = hold_out(TASK, whole, count)
            assert len(train) + len(test) == 40
            assert count <= len(test) < count + 5
            assert not set(TASK.symmetry_key(train.inputs)) & set(TASK.symmetry_key(test.inputs))
            assert not set(train.group) & set(test.group)
        with pytest.raises(ValueError, match=r"^--held-out: expected 1 to 35 training puzzles, found 36$"):
            hold_out(TASK, whole, 36)


def test_families_are_linked_by_groups_and_symmetries(puzzles: Puzzles) -> None:
    a, b, c = (with_variants(TASK, puzzles[row : row + 1], 1, seed=0) for row in (0, 1, 2))
    whole = concatenate([a, b, c, a[:1], c])
    chain = replace(whole, group=np.array([0, 1, 2, 3, 4, 4, 5, 5, 6], dtype=np.int32)[: len(whole)])
    # groups 5 = {a, c}, 4 = {c, c}, 6 = {c}; a and c are one family, by way of group 5
    assert related(TASK, chain).tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_one_family_cannot_be_divided(puzzles: Puzzles) -> None:
    with pytest.raises(ValueError, match=r"^--held-out: expected puzzles that are no variants of each other, found 1$"):
        hold_out(TASK, with_variants(TASK, puzzles[:1], 5, seed=0), 1)


def test_a_sample_is_of_puzzles_with_their_variants(puzzles: Puzzles) -> None:
    grouped = with_variants(TASK, puzzles[:8], 4, seed=0)
    chosen = sample(grouped, 3, seed=1)
    assert len(chosen) == 15
    assert len(set(chosen.group)) == 3
    with pytest.raises(ValueError, match=r"^--subsample: expected 1 to 8 puzzles, found 9$"):
        sample(grouped, 9, seed=1)


@pytest.mark.parametrize("held_out", [0, 20, 21, -1])
def test_something_must_be_left_to_train_on(held_out: int, puzzles: Puzzles) -> None:
    with pytest.raises(ValueError, match=rf"^--held-out: expected 1 to 19 training puzzles, found {held_out}$"):
        hold_out(TASK, puzzles, held_out)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, puzzles: Puzzles) -> dict[str, str]:
    """A CSV file with a bad row, another one, a built folder with variants, and ARC tasks, by name."""
    folder = tmp_path_factory.mktemp("sources")
    write_csv(TASK, folder / "rows.csv", puzzles)
    with (folder / "rows.csv").open("a") as file:
        file.write("x,y,z,0\n")
    write_csv(TASK, folder / "other.csv", load_puzzles(TASK, split="test", num_puzzles=7))
    grouped = with_variants(TASK, puzzles, 4, seed=0)
    write_folder(TASK, folder / "built", {"train": grouped[:60], "test": grouped[60:]})
    pair = {"input": [[1, 2], [3, 4]], "output": [[4, 3], [2, 1]]}
    tasks = {f"task{n}": {"train": [pair], "test": [{"input": [[n, 5]], "output": [[5, n]]}] * 2} for n in range(4)}
    (folder / "arc.json").write_text(json.dumps(tasks))
    names = {"csv": "rows.csv", "other": "other.csv", "folder": "built", "part": "built/train", "arc": "arc.json"}
    return {name: str(folder / file) for name, file in names.items()}


@pytest.mark.parametrize(
    ("options", "test"),
    [
        ({}, 1000),
        ({"test_puzzles": 30}, 30),
        ({"num_puzzles": 50, "held_out": 7}, 7),
        ({"num_puzzles": 50, "held_out": "auto", "test_puzzles": 3}, 3),
        ({"option": ("clues=16", "puzzle-seed=3"), "num_puzzles": 20, "test_puzzles": 5}, 5),
        ({"test_source": "generated", "num_puzzles": 20, "test_puzzles": 9}, 9),
        ({"source": "csv", "skip_bad_rows": True}, 2),
        ({"source": "csv", "option": ("rows=:12",)}, 1),
        ({"source": "csv", "skip_bad_rows": True, "held_out": 9, "test_puzzles": 4}, 4),
        ({"source": "csv", "skip_bad_rows": True, "test_source": "other"}, 7),
        ({"source": "csv", "skip_bad_rows": True, "test_source": "other", "held_out": 3}, 3),
        ({"source": "csv", "skip_bad_rows": True, "test_source": "folder", "test_puzzles": 6}, 6),
        ({"source": "folder"}, 40),
        ({"source": "folder", "held_out": 8}, 10),
        ({"source": "folder", "held_out": 8, "test_puzzles": 6}, 6),
        ({"source": "part"}, 10),
        ({"env": "HRM-ARC-v0", "source": "arc", "option": ("augmentations=3",), "test_puzzles": 4}, 4),
    ],
)
def test_what_is_printed_names_the_test_puzzles_of_the_run(
    options: dict[str, object], test: int, sources: dict[str, str]
) -> None:
    named = {name: sources.get(str(value), value) if "source" in name else value for name, value in options.items()}
    data = Data(**{"env": ENV, "num_puzzles": None, **named})  # type: ignore[arg-type]
    training, tested = (env.rules.puzzles for env in training_and_test_env(data, 8, "cpu", seed=5))
    task = make_task("arc:30x30") if data.env == "HRM-ARC-v0" else TASK
    printed = tyro.cli(Tried, args=arguments_of_test(data, seed=5)).load_puzzles(task)
    assert same(printed, tested)
    assert len(tested) == test
    if not str(data.test_source):
        assert not set(task.symmetry_key(training.inputs)) & set(task.symmetry_key(tested.inputs))


def test_a_run_on_arc_is_tested_on_every_task(sources: dict[str, str]) -> None:
    data = Data("HRM-ARC-v0", sources["arc"], option=("augmentations=50",), test_puzzles=10)
    _, test = training_and_test_env(data, 4, "cpu", 0)
    assert np.bincount(test.rules.puzzles.group).tolist() == [3, 2, 3, 2]
