"""Right, abstained and wrong answers on puzzles with one, no and two solutions, counted on 4x4 Sudoku."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

from experiments import never_wrong
from experiments.damaged_sudoku import with_two_solutions, without_solution
from experiments.never_wrong_table import band_name, rows_of
from hrm_agent import Evaluation, load_pretrained
from hrm_agent.study.proportion import clopper_pearson
from hrm_env import Puzzles, load_puzzles, make_task
from hrm_env.tasks.sudoku.task import Sudoku
from train.running import exit_status

SPEAKS, SILENT = "abstain(fixed:1,fixed:1)", "abstain(fixed:1,fixed:2)"
CHECKED, SURE = never_wrong.POLICIES


@pytest.fixture(scope="module")
def task() -> Sudoku:
    found = make_task("sudoku:2x2")
    assert isinstance(found, Sudoku)
    return found


@pytest.fixture(scope="module")
def puzzles(task: Sudoku) -> Puzzles:
    return load_puzzles(task, "generated", split="test", num_puzzles=60, puzzle_seed=1000)


@pytest.fixture(scope="module")
def grids() -> npt.NDArray[np.int64]:
    """All 288 solved grids, by trying all rows, as tokens."""
    found = []
    for rows in product(permutations(range(2, 6)), repeat=4):
        grid = np.array(rows)
        boxes = grid.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)
        if all(len(set(line)) == 4 for line in (*grid.T, *boxes)):
            found.append(grid.ravel())
    return np.stack(found)


def solutions(inputs: npt.NDArray[np.uint8], grids: npt.NDArray[np.int64]) -> list[int]:
    fits = (inputs[:, None] == grids) | (inputs[:, None] == 1)
    return fits.all(2).sum(1).tolist()  # type: ignore[no-any-return]


def test_a_changed_clue_leaves_no_solution(task: Sudoku, puzzles: Puzzles, grids: npt.NDArray[np.int64]) -> None:
    assert len(grids) == 288
    made = without_solution(task, puzzles, seed=3)
    assert len(made) >= 20
    assert solutions(made.inputs, grids) == [0] * len(made)
    origin = puzzles.inputs[made.group]
    assert ((made.inputs != origin).sum(1) == 1).all()
    assert ((made.inputs > 1) == (origin > 1)).all()  # the same cells are given
    assert not any(task.conflicts(row.astype(np.int64)).any() for row in made.inputs)  # nothing is seen at once
    assert not made.solution.any()
    assert np.array_equal(without_solution(task, puzzles, seed=3).inputs, made.inputs)
    assert not np.array_equal(without_solution(task, puzzles, seed=4).inputs, made.inputs)


def test_a_puzzle_is_left_out_only_if_no_change_fits(
    task: Sudoku, puzzles: Puzzles, grids: npt.NDArray[np.int64]
) -> None:
    def possible(row: npt.NDArray[np.uint8]) -> bool:
        for cell, token in product(np.flatnonzero(row > 1), range(2, 6)):
            tried = row.copy()
            tried[cell] = token
            seen = token == row[cell] or task.conflicts(tried.astype(np.int64)).any()
            if not seen and solutions(tried[None], grids) == [0]:
                return True
        return False

    made = without_solution(task, puzzles, seed=0)
    assert made.group.tolist() == [number for number, row in enumerate(puzzles.inputs) if possible(row)]


def test_a_removed_clue_leaves_two_solutions(task: Sudoku, puzzles: Puzzles, grids: npt.NDArray[np.int64]) -> None:
    made = with_two_solutions(task, puzzles, seed=3)
    assert len(made) >= 20
    assert solutions(made.inputs, grids) == [2] * len(made)
    origin = puzzles[made.group]
    removed = made.inputs != origin.inputs
    assert (removed.sum(1) == 1).all()
    assert (made.inputs[removed] == 1).all()
    assert np.array_equal(made.solution, origin.solution)


def run(folder: Path, *policies: str, **options: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of the command, by policy and set."""
    given = {"checkpoint": "zoo:sudoku4x4", "puzzles": "0=60", "damaged": 40, "threads": 1, "device": "cpu", **options}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words += [word for policy in policies for word in ("--policy", policy)]
    never_wrong.main([*words, "--out", str(folder)])
    found = json.loads((folder / "never_wrong.json").read_text())
    return {(row["policy"], row["set"]): row for row in found["rows"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, str], dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("never wrong")
    return folder, run(folder, CHECKED, SURE, SPEAKS, SILENT)


def test_the_rules_guarantee_what_is_handed_in(whole: Any) -> None:
    _, rows = whole
    none, two = rows[CHECKED, "no solution"], rows[CHECKED, "two solutions"]
    assert none["abstained"] == none["puzzles"] > 10
    assert none["segments_mean"] == 8  # the whole budget
    assert [rows[CHECKED, name]["wrong"] for name in ("one solution", "no solution", "two solutions")] == [0, 0, 0]
    assert two["right"] + two["other"] + two["abstained"] == two["puzzles"] > 10
    assert two["other"] > 0


def test_one_that_always_speaks_is_wrong_without_a_solution_and_one_that_never_does_is_silent(whole: Any) -> None:
    _, rows = whole
    for name in ("one solution", "no solution", "two solutions"):
        spoken, silent = rows[SPEAKS, name], rows[SILENT, name]
        assert (spoken["abstained"], spoken["segments"]) == (0, spoken["puzzles"])
        assert silent["abstained"] == silent["puzzles"] == spoken["puzzles"]
        assert (silent["risk_bound"], silent["right"] + silent["other"] + silent["wrong"]) == (1, 0)
    none = rows[SPEAKS, "no solution"]
    assert none["wrong"] == none["puzzles"]
    assert none["risk_bound"] == 1


def test_the_counts_are_those_of_an_evaluation(whole: Any, puzzles: Puzzles) -> None:
    _, rows = whole
    env = gym.make_vec("HRM-Sudoku4x4-v0", num_envs=7, order="once", source=puzzles, max_segments=8)
    found = load_pretrained("sudoku4x4", device="cpu").evaluate(env.unwrapped, SURE)
    row = rows[SURE, "one solution"]
    assert (row["right"], row["abstained"]) == (found.exact.sum(), found.abstained.sum())
    assert row["wrong"] == 60 - row["right"] - row["abstained"]
    assert row["segments_mean"] == found.segments.mean()
    assert row["risk_bound"] == clopper_pearson(row["wrong"], 60 - row["abstained"])
    assert rows[SURE, "one solution, rating 0"] == row | {"set": "one solution, rating 0"}


def test_a_stopped_count_goes_on_to_the_same_rows(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rows = whole
    file, done = folder / "never_wrong.json", json.loads((folder / "never_wrong.json").read_text())
    kept = dict(list(done["chunks"].items())[:-5])
    (tmp_path / file.name).write_text(json.dumps({"setting": done["setting"], "chunks": kept}))
    tallies = mock.Mock(wraps=never_wrong.tallies)
    monkeypatch.setattr(never_wrong, "tallies", tallies)
    assert run(tmp_path, CHECKED, SURE, SPEAKS, SILENT) == rows
    assert tallies.call_count == 5
    assert json.loads((tmp_path / file.name).read_text()) == done
    capsys.readouterr()
    words = ["--checkpoint", "zoo:sudoku4x4", "--puzzles=0=60", "--damaged=39", "--device=cpu", f"--out={folder}"]
    assert exit_status(lambda: never_wrong.main(words), words) == 2
    assert "error: --out: expected a folder of this agent, budget and puzzles, found others" in capsys.readouterr().err


def test_chunks_add_up(whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, rows = whole
    monkeypatch.setattr(never_wrong, "CHUNK", 17)
    assert run(tmp_path, SURE) == {key: row for key, row in rows.items() if key[0] == SURE}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--puzzles=hard=5", "--puzzles: expected RATING=COUNT, found hard=5"),
        ("--puzzles=10", "--puzzles: expected name=value, found '10'"),
        ("--puzzles=0=none", "--puzzles: expected an integer of at least 1, found 'none'"),
        ("--policy=abstain(verifier)", "halting 'abstain(verifier)': expected a policy that halts"),
        ("--core-option=loops=2", "core 'hrm' got an unexpected keyword argument 'loops'"),
    ],
)
def test_bad_options_of_the_count_are_one_sentence(
    option: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--checkpoint", "zoo:sudoku4x4", option, "--device=cpu", f"--out={tmp_path}"]
    assert exit_status(lambda: never_wrong.main(words), words) == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_an_answer_is_judged_by_the_number_of_solutions() -> None:
    yes, no = True, False
    columns = np.array([[yes, no, no, no], [no, no, no, yes], [yes, yes, no, no]])  # right, abstained, valid
    numbers = {name: np.zeros(4) for name in ("cells", "answer", "segments", "q_halt", "right_by_segment")}
    arrays: Any = dict(zip(("right", "abstained", "valid"), columns, strict=True)) | numbers
    found = Evaluation(**arrays, work=np.array([1, 2, 3, 4]), seconds=1.0)
    blank = np.ones((4, 16), np.uint8)
    some = Puzzles(blank, blank, rating=np.array([0, 4, 5, 5], np.int32))
    by_band = never_wrong.tallies(found, some, "one solution")
    names = ("puzzles", "right", "other", "abstained", "wrong", "segments")
    assert {band: tuple(tally[name] for name in names) for band, tally in by_band.items()} == {
        "one solution, rating 0": (1, 1, 0, 0, 0, 1),
        "one solution, rating 1 to 4": (1, 0, 0, 0, 1, 2),  # our checker takes it, and yet it is not the solution
        "one solution, rating 5 to 9": (2, 0, 0, 1, 1, 7),
    }
    (two,) = never_wrong.tallies(found, some, "two solutions").values()
    assert tuple(two[name] for name in names) == (4, 1, 1, 1, 1, 10)
    rows = rows_of({"p; one solution; 0": by_band, "p; two solutions; 0": {"two solutions": two}}, ["p"], 0.9)
    assert [row["set"] for row in rows] == ["one solution", *by_band, "two solutions"]
    assert rows[0]["wrong_bound"] == clopper_pearson(2, 4, 0.9)
    assert rows[0]["risk_bound"] == clopper_pearson(2, 3, 0.9)
    assert band_name(4) == "one solution, rating 20 and more"
