"""ARC's JSON files: every published form is read, and what is wrong with one is said in a sentence."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hrm_env.sources import load_puzzles
from hrm_env.tasks.arc.build import build_arc, read_arc
from hrm_env.tasks.arc.files import Pair, read_tasks
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.copy import Copy

TASK = Arc(6, 6)
ONE, TWO = {"input": [[1, 2]], "output": [[2], [1]]}, {"input": [[3, 4]], "output": [[4], [3]]}
THREE = {"input": [[5, 0]], "output": [[0], [5]]}
ENTRY = {"train": [ONE, TWO], "test": [THREE]}


def written(path: Path, content: Any, compress: bool = False) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
    return path


def as_read(path: Path) -> dict[str, Any]:
    """What was read, in the form of the files."""
    return {
        task.id: {split: [as_json(pair) for pair in pairs] for split, pairs in task.pairs.items()}
        for task in read_tasks(TASK, [path])
    }


def as_json(pair: Pair) -> dict[str, Any]:
    return {"input": pair.input.tolist(), "output": None if pair.output is None else pair.output.tolist()}


@pytest.mark.parametrize("compress", [False, True])
def test_a_file_of_tasks_plain_and_gzip(tmp_path: Path, compress: bool) -> None:
    path = written(tmp_path / "tasks.json", {"b": ENTRY, "a": ENTRY | {"name": "left out"}}, compress)
    assert as_read(path) == {"b": ENTRY, "a": ENTRY}
    assert list(as_read(path)) == ["b", "a"]


@pytest.mark.parametrize("name", ["abc.json", "abc.json.gz"])
def test_a_file_of_one_task_is_called_as_the_file(tmp_path: Path, name: str) -> None:
    assert as_read(written(tmp_path / name, ENTRY, compress=name.endswith("gz"))) == {"abc": ENTRY}


def test_a_folder_of_tasks_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "README.md"):
        written(tmp_path / name, ENTRY)
    assert list(as_read(tmp_path)) == ["a", "b"]


def test_challenges_find_their_solutions_beside_them(tmp_path: Path) -> None:
    challenge = {"train": [ONE, TWO], "test": [{"input": THREE["input"]}]}
    path = written(tmp_path / "x_challenges.json", {"a": challenge})
    unknown = {"train": [ONE, TWO], "test": [{"input": THREE["input"], "output": None}]}
    assert as_read(path) == {"a": unknown}
    puzzles = read_arc(TASK, path, split="test", augmentations=3)
    assert puzzles.inputs.any(axis=1).all()
    assert not puzzles.solution.any()
    assert len(build_arc(TASK, [path], []).train) == 2  # nothing is trained on without an output
    written(tmp_path / "x_solutions.json", {"a": [THREE["output"]]})
    assert as_read(path) == {"a": ENTRY}


BAD_ENTRIES: dict[str, tuple[Any, str]] = {
    "list": ([1], r"expected an object with lists train and test, found \[1\]"),
    "no test": ({"train": [ONE]}, "expected an object with lists train and test, found {'train'"),
    "no demonstration": ({"train": [], "test": [ONE]}, "expected at least one demonstration pair, found none"),
    "no pair": ({"train": [ONE, 3], "test": [ONE]}, "train pair 2: expected an object with input and output, found 3"),
    "no output": ({"train": [{"input": [[1]]}], "test": [ONE]}, "train pair 1: expected an output, found none"),
}
BAD_GRIDS: dict[str, tuple[Any, str]] = {
    "text": ("12", "expected a list of rows, found '12'"),
    "flat": ([1, 2], r"expected a list of rows, found \[1, 2\]"),
    "empty": ([], "expected at least one cell, found an empty grid"),
    "empty row": ([[]], "expected at least one cell, found an empty grid"),
    "ragged": ([[1, 2, 3], [4]], "expected rows of one length, found 3 and 1 cells"),
    "high": ([[1]] * 7, "expected at most 6x6 cells, found 7x1"),
    "wide": ([[1] * 7], "expected at most 6x6 cells, found 1x7"),
    "ten": ([[10]], "expected colours 0 to 9, found 10"),
    "negative": ([[-1]], "expected colours 0 to 9, found -1"),
    "bool": ([[True]], "expected colours 0 to 9, found True"),
    "float": ([[1.0]], r"expected colours 0 to 9, found 1\.0"),
    "string": ([["1"]], "expected colours 0 to 9, found '1'"),
    "deep": ([[[1]]], r"expected colours 0 to 9, found \[1\]"),
    "null": ([[None]], "expected colours 0 to 9, found None"),
}


def refused(path: Path, message: str, *more: Path) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_tasks(TASK, [path, *more])
    assert str(caught.value).startswith(str(more[0] if more else path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", BAD_ENTRIES)
def test_a_bad_task_is_named(tmp_path: Path, kind: str) -> None:
    entry, message = BAD_ENTRIES[kind]
    refused(written(tmp_path / "tasks.json", {"good": ENTRY, "bad": entry}), f"task bad[:,] {message}")


@pytest.mark.parametrize("kind", BAD_GRIDS)
def test_a_bad_grid_is_named(tmp_path: Path, kind: str) -> None:
    grid, message = BAD_GRIDS[kind]
    for split, side in (("train", "input"), ("test", "output")):
        entry = {"train": [ONE], "test": [TWO]} | {split: [ONE, TWO | {side: grid}]}
        path = written(tmp_path / "tasks.json", {"bad": entry})
        refused(path, f"task bad, {split} pair 2, {side}: {message}")


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "missing.json", "expected a readable JSON file, plain or gzip")
    refused(written(tmp_path / "text.json", "no JSON"), "expected a readable JSON file, plain or gzip")
    refused(written(tmp_path / "deep.json", "[" * 200_000), "expected a readable JSON file, plain or gzip")
    refused(written(tmp_path / "list.json", [ENTRY]), "expected a JSON object of ARC tasks, found ")
    refused(written(tmp_path / "nothing.json", {}), "expected a JSON object of ARC tasks, found {}")
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(gzip.compress(json.dumps({"a": ENTRY}).encode())[:-20])
    refused(cut, "expected a readable JSON file, plain or gzip")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "expected a folder of .json files, found none")


@pytest.mark.parametrize("id", ["\ud800", "a\nb", "\x1b[2J", "", "a" * 101], ids=ascii)
def test_an_id_that_cannot_be_printed_is_refused(tmp_path: Path, id: str) -> None:
    refused(written(tmp_path / "tasks.json", {"good": ENTRY, id: ENTRY}), "expected ids of 1 to 100 printable char")


def test_an_id_stands_in_one_file(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name, {"a": ENTRY}) for name in ("1.json", "2.json"))
    refused(first, f"task a: expected an id of its own, found it in {first}, too", second)
    other = written(tmp_path / "3.json", {"a": ENTRY | {"test": [{"input": [[7]], "output": [[0]]}]}})
    with pytest.raises(ValueError, match="task a: expected it in training or in evaluation, found it in both"):
        build_arc(TASK, [other], [first])


def test_solutions_match_their_challenges(tmp_path: Path) -> None:
    path = written(tmp_path / "x_challenges.json", {"a": ENTRY})
    solutions = tmp_path / "x_solutions.json"
    for content in ({"a": [[[1]]], "b": [[[1]]]}, {"b": [[[1]]]}):
        with pytest.raises(ValueError, match=r"expected the tasks of x_challenges\.json, found . in one of the two"):
            read_tasks(TASK, [written(solutions, content).with_name(path.name)])
    written(solutions, {"a": [[[1]], [[2]]]})
    refused(path, r"task a: expected a list of 1 test solutions, found \[\[\[1\]\], \[\[2\]\]\]")
    written(solutions, {"a": [[[1, 2], [3]]]})
    refused(path, "task a, test pair 1, output: expected rows of one length, found 2 and 1 cells")


def test_bad_options_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "tasks.json", {"a": ENTRY})
    for option, wanted in (
        ({"augmentations": -1}, "augmentations: expected an integer from 0 to 1000000, found -1"),
        ({"augmentations": "5"}, "augmentations: expected an integer .*, found '5'"),
        ({"augmentations": 2.5}, r"augmentations: expected an integer .*, found 2\.5"),
        ({"puzzle_seed": -1}, "puzzle_seed: expected an integer from 0 to .*, found -1"),
    ):
        with pytest.raises(ValueError, match=f"^{wanted}$"):
            read_arc(TASK, path, **option)
    with pytest.raises(ValueError, match=r"^seed: expected an integer from 0 to .*, found -1$"):
        build_arc(TASK, [path], [], seed=-1)
    with pytest.raises(ValueError, match="augmentations: expected 0 unless the canvas is square, found arc:6x7"):
        read_arc(Arc(6, 7), path, augmentations=1)
    with pytest.raises(ValueError, match=r"split: expected one of .*found 'all'"):
        read_arc(TASK, path, split="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected a task that reads JSON files \(arc:30x30\), found copy:4x4"):
        load_puzzles(Copy(), path)
    with pytest.raises(ValueError, match="expected at least one test pair, found none"):
        read_arc(TASK, written(tmp_path / "untested.json", {"a": {"train": [ONE], "test": []}}), split="test")
    with pytest.raises(ValueError, match="training, evaluation: expected at least one file or folder, found none"):
        build_arc(TASK, [], [])


def test_a_json_file_is_a_source(tmp_path: Path) -> None:
    path = written(tmp_path / "tasks.json", {"a": ENTRY})
    assert len(load_puzzles(TASK, str(path), augmentations=2)) == 6
    assert len(load_puzzles(TASK, str(tmp_path), split="test", augmentations=2)) == 3


@pytest.mark.parametrize("name", ["arc1_training", "arc1_evaluation", "arc2_training", "conceptarc"])
def test_every_real_pair_comes_back_as_it_was(shared_data: Path, name: str) -> None:
    task, path = Arc(), shared_data / "arc" / f"{name}.json.gz"
    puzzles = build_arc(task, [path], []).train
    entries = json.loads(gzip.decompress(path.read_bytes()))
    pairs = [pair for entry in entries.values() for pair in entry["train"] + entry["test"]]
    for row, (inputs, solution, pair) in enumerate(zip(puzzles.inputs, puzzles.solution, pairs, strict=True)):
        assert task.read_grid(inputs, inputs).tolist() == pair["input"]
        assert task.read_grid(inputs, solution).tolist() == pair["output"]
        if row % 40 == 0:
            assert np.array_equal(task.encode(task.decode(solution)), solution)
    assert task.check(torch.as_tensor(puzzles.inputs), torch.as_tensor(puzzles.solution)).all()
    assert [puzzles.names[number] for number in np.unique(puzzles.puzzle_id)] == list(entries)
