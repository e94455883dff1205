"""``python -m train data inspect``: what it counts, in files made up and real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrm_env.puzzles import Puzzles, concatenate
from hrm_env.sources import load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.sources.folder import write_folder
from hrm_env.tasks.sudoku.task import Sudoku
from train.__main__ import main
from train.data_inspection import histogram
from train.data_writing import with_variants

TASK = Sudoku(2, 3)


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    """Twenty, no two of which are symmetric."""
    return load_puzzles(TASK, num_puzzles=20)


def csv_of(folder: Path, puzzles: Puzzles, name: str = "puzzles.csv") -> Path:
    write_csv(TASK, folder / name, puzzles)
    return folder / name


def inspected(tmp_path: Path, *arguments: object, env: str = "HRM-Sudoku6x6-v0") -> dict[str, Any]:
    """The figures of ``inspect --json``."""
    options = ["--env", env, "--json", f"{tmp_path}/report.json"]
    assert main(["data", "inspect", *map(str, arguments), *options]) == 0
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    return report


def test_inspect_counts_rows_duplicates_and_bad_rows(
    puzzles: Puzzles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    symmetric = with_variants(TASK, puzzles[3:4], 1, seed=5)[1:]
    path = csv_of(tmp_path, concatenate([puzzles[:10], puzzles[:1], symmetric]))
    with path.open("a") as file:
        file.write("made up,too short,1,0\n")
    report = inspected(tmp_path, path)
    assert report["parts"]["puzzles"] == {
        "puzzles": 12,
        "skipped_rows": 1,
        "groups": 12,
        "puzzle_ids": 1,
        "answers_that_fail_the_check": 0,
        "duplicates": 1,
        "duplicates_up_to_symmetry": 2,
    }
    assert report["shared"] == []
    clues = {bin["from"]: bin["counts"]["puzzles"] for bin in report["clues"]}
    given = (load_puzzles(TASK, str(path), bad_rows="skip").inputs != TASK.blank_id).sum(axis=1)
    assert clues == {count: int((given == count).sum()) for count in range(given.min(), given.max() + 1)}
    assert "duplicates up to symmetry" in capsys.readouterr().out


def test_inspect_finds_what_two_files_share(puzzles: Puzzles, tmp_path: Path) -> None:
    first = csv_of(tmp_path, puzzles[:10])
    varied = with_variants(TASK, puzzles[8:10], 1, seed=1)[1::2]
    second = csv_of(tmp_path, concatenate([puzzles[6:8], varied, puzzles[10:]]), "second.csv.gz")
    (shared,) = inspected(tmp_path, first, "--against", second)["shared"]
    assert shared == {"between": ["puzzles", "against"], "puzzles": 2, "puzzles_up_to_symmetry": 4}


def test_inspect_compares_the_splits_of_a_folder_and_checks_its_answers(puzzles: Puzzles, tmp_path: Path) -> None:
    wrong = Puzzles(puzzles.inputs[8:], np.roll(puzzles.solution[8:], 1, axis=0))
    write_folder(TASK, tmp_path / "built", {"train": with_variants(TASK, puzzles[:10], 4, seed=0), "test": wrong})
    report = inspected(tmp_path, tmp_path / "built")
    train, test = report["parts"]["train"], report["parts"]["test"]
    assert (train["puzzles"], train["groups"], train["duplicates_up_to_symmetry"]) == (50, 10, 0)
    assert (train["answers_that_fail_the_check"], test["answers_that_fail_the_check"]) == (0, 12)
    assert report["shared"][0]["puzzles_up_to_symmetry"] == 2
    assert list(inspected(tmp_path, tmp_path / "built", "--split", "test")["parts"]) == ["test"]


def test_histograms_share_round_bins_and_open_a_tail() -> None:
    values = {"a": np.array([3, 4, 4, 9]), "b": np.arange(3, 12)}
    bins = histogram(values)
    assert [(bin["from"], bin["to"]) for bin in bins] == [(number, number) for number in range(3, 12)]
    assert [bin["counts"]["a"] for bin in bins] == [1, 2, 0, 0, 0, 0, 1, 0, 0]
    skewed = np.concatenate([np.arange(150), [10_000]])
    bins = histogram({"a": skewed, "b": np.array([-7])})
    assert [(bin["from"], bin["to"]) for bin in bins][:2] == [(-10, -1), (0, 9)]
    assert bins[-1] == {"from": 150, "to": 10_000, "counts": {"a": 1, "b": 0}}
    assert sum(bin["counts"]["a"] for bin in bins) == 151
    assert histogram({"a": np.array([5, 5])}) == [{"from": 5, "to": 5, "counts": {"a": 2}}]


def test_real_sudoku_tests_share_nothing_with_real_training_puzzles(shared_data: Path, tmp_path: Path) -> None:
    files = [shared_data / "sudoku" / f"{name}.csv.gz" for name in ("test_easy", "sudoku_extreme_1k_real")]
    report = inspected(tmp_path, files[0], "--against", files[1], env="HRM-Sudoku-v0")
    assert report["shared"] == [{"between": ["puzzles", "against"], "puzzles": 0, "puzzles_up_to_symmetry": 0}]
    assert [part["puzzles"] for part in report["parts"].values()] == [1378, 1000]
    assert not any(part["skipped_rows"] + part["duplicates_up_to_symmetry"] for part in report["parts"].values())
    assert (report["rating"][0]["from"], report["rating"][0]["counts"]["puzzles"]) == (0, 1378)


def test_real_mazes_are_solved_and_the_splits_share_none(shared_data: Path, tmp_path: Path) -> None:
    files = [shared_data / "maze" / f"{name}.csv.gz" for name in ("test", "train")]
    report = inspected(tmp_path, files[0], "--against", files[1], env="HRM-Maze-v0")
    assert report["shared"] == [{"between": ["puzzles", "against"], "puzzles": 0, "puzzles_up_to_symmetry": 0}]
    assert [part["puzzles"] for part in report["parts"].values()] == [500, 1000]
    assert not any(part["skipped_rows"] for part in report["parts"].values())
    assert (report["rating"][0]["from"], report["rating"][-1]["to"]) == (110, 154)
