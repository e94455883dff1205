"""Voting over the variants of ARC tasks: the order of the answers, the score, the submission, and the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agents import CORE

from hrm_agent import HRM
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.puzzles import Puzzles
from hrm_env.tasks.arc.build import read_arc
from hrm_env.tasks.arc.grids import Grid, parse_name, place
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.arc.voting import score, submission, vote, write_submission
from train.__main__ import main

TASK = Arc(5, 5)
A, B, C = (np.array(rows, dtype=np.uint8) for rows in ([[1, 2], [3, 0]], [[4, 0, 5]], [[6]]))
NOTHING = np.zeros((0, 0), dtype=np.uint8)
ENTRIES: dict[str, Any] = {
    "one": {
        "train": [{"input": [[1, 2]], "output": [[2]]}],
        "test": [{"input": [[1, 2, 3]], "output": A.tolist()}, {"input": [[4, 5, 0]], "output": B.tolist()}],
    },
    "two": {
        "train": [{"input": [[7, 8, 1]], "output": [[2]]}],
        "test": [{"input": [[3, 2], [1, 0]], "output": C.tolist()}],
    },
}
CHOSEN = {("one", 0): [A, B, A, C, B], ("one", 1): [C, C, C, B, B], ("two", 0): [NOTHING, A, B, A, B]}
LOGITS = {("one", 0): [1, 9, 1, 9, -1], ("one", 1): [0, 0, 0, 9, 9], ("two", 0): [0, -1, 2, 2, 0]}


def read(folder: Path, entries: Any = ENTRIES, **options: Any) -> Puzzles:
    path = folder / "tasks.json"
    path.write_text(json.dumps(entries))
    return read_arc(TASK, path, split="test", augmentations=4, **options)


def answered(puzzles: Puzzles) -> tuple[np.ndarray, np.ndarray]:
    """Answers and logits: what the five variants of each test pair say, by `CHOSEN` and `LOGITS`."""
    answers, logits = np.zeros_like(puzzles.inputs), np.zeros(len(puzzles), dtype=np.float32)
    seen: dict[int, int] = {}
    for row, number in enumerate(puzzles.puzzle_id.tolist()):
        task, variant = parse_name(puzzles.names[number])
        test = seen[number] = seen.get(number, -1) + 1
        which = number - puzzles.names.index(task)
        answers[row] = written(variant.apply(CHOSEN[task, test][which]))
        logits[row] = LOGITS[task, test][which]
    return answers, logits


def written(grid: Grid) -> np.ndarray:
    canvas = np.zeros((5, 5), dtype=np.uint8)
    place(canvas, grid, 0, 0)
    return canvas.ravel()


def lists(grids: list[Grid]) -> list[list[list[int]]]:
    return [grid.tolist() for grid in grids]


def test_the_most_frequent_answer_wins_then_the_surest(tmp_path: Path) -> None:
    puzzles = read(tmp_path)
    candidates = vote(TASK, puzzles, *answered(puzzles))
    assert list(candidates) == ["one", "two"]
    assert [lists(grids) for grids in candidates["one"]] == [lists([A, B, C]), lists([C, B])]
    assert [lists(grids) for grids in candidates["two"]] == [lists([B, A, NOTHING])]


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    puzzles = read(tmp_path)
    answers, logits = answered(puzzles)
    first = submission(vote(TASK, puzzles, answers, logits))
    order = np.concatenate([[0, 1, 10], np.random.default_rng(0).permutation(np.delete(np.arange(15), [0, 1, 10]))])
    again = submission(vote(TASK, puzzles[order], answers[order], logits[order]))
    assert again == first


def test_a_task_counts_if_all_its_tests_are_right(tmp_path: Path) -> None:
    puzzles = read(tmp_path)
    right = vote(TASK, puzzles, puzzles.solution, np.zeros(len(puzzles)))
    assert score(TASK, puzzles, right) == {"pass@1": 1, "pass@1_pairs": 1, "pass@2": 1, "pass@2_pairs": 1}
    figures = score(TASK, puzzles, vote(TASK, puzzles, *answered(puzzles)))
    # of task "one" the first test is right at once and the second with two attempts; "two" is wrong
    expected = {"pass@1": 0, "pass@1_pairs": 1 / 3, "pass@2": 1 / 2, "pass@2_pairs": 2 / 3}
    assert figures == pytest.approx(expected)


def test_a_task_without_solutions_does_not_count(tmp_path: Path) -> None:
    hidden = {"one": ENTRIES["one"], "two": ENTRIES["two"] | {"test": [{"input": [[3, 2], [1, 0]]}]}}
    puzzles = read(tmp_path, hidden)
    candidates = vote(TASK, puzzles, *answered(puzzles))
    assert score(TASK, puzzles, candidates)["pass@2"] == 1
    assert len(submission(candidates)["two"]) == 1
    unknown = puzzles[puzzles.group == 1]
    assert score(TASK, unknown, vote(TASK, unknown, unknown.solution, np.zeros(len(unknown)))) == {}


def test_data_of_the_reference_code_is_voted_on_alike() -> None:
    """Its names stand in another order, and its training grids anywhere: what counts is name and input."""
    names = ("<blank>", "abc_t6_0213456789", "xyz", "abc")
    asked, moved = written(np.array([[1, 2]], np.uint8)), np.zeros((5, 5), np.uint8)
    place(moved, np.array([[2], [1]], np.uint8), 3, 2)
    answer = np.zeros((5, 5), np.uint8)
    place(answer, np.array([[5, 1], [7, 2]], np.uint8), 3, 2)
    inputs, answers = np.stack([moved.ravel(), asked]), np.stack([answer.ravel(), written(A)])
    puzzles = Puzzles(inputs, answers, puzzle_id=np.array([1, 3], np.int32), names=names)
    assert submission(vote(TASK, puzzles, answers, np.array([1.0, 0.0]))) == {
        "abc": [{"attempt_1": [[5, 7], [2, 1]], "attempt_2": A.tolist()}]
    }


def test_a_submission_has_two_attempts_of_at_least_a_cell(tmp_path: Path) -> None:
    candidates = {"a": [[A], [B, NOTHING, C]], "b": [[NOTHING]]}
    expected = {
        "a": [
            {"attempt_1": A.tolist(), "attempt_2": A.tolist()},
            {"attempt_1": B.tolist(), "attempt_2": [[0]]},
        ],
        "b": [{"attempt_1": [[0]], "attempt_2": [[0]]}],
    }
    assert submission(candidates) == expected
    write_submission(tmp_path / "new folder" / "submission.json", candidates)
    assert json.loads((tmp_path / "new folder" / "submission.json").read_text()) == expected
    assert len(list((tmp_path / "new folder").iterdir())) == 1


def test_evaluate_votes_and_writes_a_submission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(ENTRIES))
    env = PuzzleVectorEnv(TASK, 2, source=str(path), max_segments=1)
    HRM("HRMPolicy", env, policy_kwargs=CORE, seed=0, device="cpu").save(tmp_path / "model.zip")
    common = ["--checkpoint", str(tmp_path), "--threads", "1", "--submission", str(tmp_path / "submission.json")]
    assert main(["evaluate", *common, "--source", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "pass@2                 0.0000" in printed
    written = json.loads((tmp_path / "submission.json").read_text())
    assert {task: [set(test) for test in tests] for task, tests in written.items()} == {
        "one": [{"attempt_1", "attempt_2"}] * 2,
        "two": [{"attempt_1", "attempt_2"}],
    }


def test_a_submission_is_for_arc_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    HRM("HRMPolicy", "HRM-Copy-v0", policy_kwargs=CORE, device="cpu").save(tmp_path / "model.zip")
    assert main(["evaluate", "--checkpoint", str(tmp_path), "--submission", "x.json", "--num-puzzles", "2"]) == 2
    assert "--submission: expected puzzles of ARC, found copy:4x4" in capsys.readouterr().err
