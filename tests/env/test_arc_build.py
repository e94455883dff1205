"""ARC's data sets: variants with ids, names and groups, places on the canvas, and no test answer in training."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrm_env.puzzles import Puzzles
from hrm_env.tasks.arc.build import build_arc, read_arc
from hrm_env.tasks.arc.grids import SYMMETRIES, Grid, parse_name, undo
from hrm_env.tasks.arc.task import Arc

TASK = Arc(8, 8)
RNG = np.random.default_rng(0)
Json = dict[str, Any]


def pair(height: int = 2, width: int = 3) -> Json:
    return {side: RNG.integers(10, size=(height, width)).tolist() for side in ("input", "output")}


def entry(train: int = 3, test: int = 2) -> Json:
    return {"train": [pair() for _ in range(train)], "test": [pair() for _ in range(test)]}


def recoloured(pair: Json, symmetry: int = 3) -> Json:
    colours = np.array([0, 4, 1, 2, 9, 8, 7, 6, 3, 5])
    return {side: SYMMETRIES[symmetry](colours[np.array(rows)]).tolist() for side, rows in pair.items()}


def written(path: Path, content: Json) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A training file of two tasks, an evaluation file of one."""
    folder = tmp_path_factory.mktemp("arc")
    training = written(folder / "training.json", {"t1": entry(3, 1), "t2": entry(2, 2)})
    return training, written(folder / "evaluation.json", {"e1": entry(3, 2)})


def rows(puzzles: Puzzles) -> Iterator[tuple[str, tuple[int, int], list[list[int]], list[list[int]]]]:
    """Name, corner, input and output of every row; the two with the variant undone."""
    for number, inputs, solution in zip(puzzles.puzzle_id, puzzles.inputs, puzzles.solution, strict=True):
        name, corner = puzzles.names[number], divmod(int(np.argmax(inputs > 1)), TASK.spec.width)
        grids = (undo(name, TASK.read_grid(inputs, tokens)).tolist() for tokens in (inputs, solution))
        yield name, corner, *grids


def test_every_variant_has_an_id_and_every_task_a_group(files: tuple[Path, Path]) -> None:
    build = build_arc(TASK, [files[0]], [files[1]], augmentations=4, seed=1)
    assert build.train.names == build.test.names
    assert build.train.names[0] == "<blank>"
    assert build.train.names[1::5] == ("t1", "t2", "e1")
    assert len(set(build.train.names)) == 16
    tasks = [parse_name(name)[0] for name in build.train.names[1:]]
    assert tasks == ["t1"] * 5 + ["t2"] * 5 + ["e1"] * 5
    assert build.train.puzzle_id.tolist() == np.repeat(range(1, 16), [4] * 10 + [3] * 5).tolist()
    assert build.train.group.tolist() == [0] * 20 + [1] * 20 + [2] * 15
    assert build.test.puzzle_id.tolist() == np.repeat(range(11, 16), 2).tolist()
    assert build.test.group.tolist() == [2] * 10
    assert build.left_out == ()
    assert all(array.dtype == np.int32 for array in (build.train.puzzle_id, build.train.group))


def test_rows_are_the_pairs_in_the_files_order(files: tuple[Path, Path]) -> None:
    build = build_arc(TASK, [files[0]], [files[1]], augmentations=2)
    training, evaluation = (json.loads(file.read_text()) for file in files)
    trained = {id: task["train"] + task["test"] for id, task in training.items()} | {"e1": evaluation["e1"]["train"]}
    expected = [(pair["input"], pair["output"]) for pairs in trained.values() for _ in range(3) for pair in pairs]
    assert [(asked, answer) for _, _, asked, answer in rows(build.train)] == expected
    tests = [(pair["input"], pair["output"]) for _ in range(3) for pair in evaluation["e1"]["test"]]
    assert [(asked, answer) for _, _, asked, answer in rows(build.test)] == tests


def test_training_grids_are_moved_but_for_one_of_every_id(files: tuple[Path, Path]) -> None:
    build = build_arc(TASK, [files[0]], [files[1]], augmentations=60)
    corners: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name, corner, _, _ in rows(build.train):
        corners[name].append(corner)
    assert all((0, 0) in places for places in corners.values())
    moved = Counter(corner for places in corners.values() for corner in places if corner != (0, 0))
    assert {row for row, _ in moved} == {column for _, column in moved} == set(range(7))  # 2x3 or 3x2 in 8x8
    assert all(corner == (0, 0) for _, corner, _, _ in rows(build.test))


def test_variants_differ_in_content(tmp_path: Path) -> None:
    grid = {"input": [[0, 1], [1, 0]], "output": [[0]]}
    content = {"one colour": {"train": [grid], "test": [grid]}, "many": entry()}
    puzzles = read_arc(TASK, written(tmp_path / "tasks.json", content), augmentations=30, split="test")
    count = Counter(parse_name(name)[0] for name in puzzles.names)
    assert count == {"<blank>": 1, "one colour": 2 * 9, "many": 31}  # turned or not, in one of nine colours
    seen = {(number, tokens.tobytes()) for number, tokens in zip(puzzles.group, puzzles.inputs, strict=True)}
    assert len(seen) == 2 * 9 + 2 * 31


def test_a_task_always_has_the_same_variants(files: tuple[Path, Path]) -> None:
    both = build_arc(TASK, [files[0]], [files[1]], augmentations=3)
    alone = read_arc(TASK, files[1], split="test", augmentations=3)
    assert both.test.names[-4:] == alone.names[-4:]
    assert np.array_equal(both.test.inputs, alone.inputs)
    train = read_arc(TASK, files[1], split="train", augmentations=3, puzzle_seed=7)
    more = read_arc(TASK, files[1], split="test", augmentations=5)
    assert train.names == alone.names == more.names[:5]


def test_places_are_seeded(files: tuple[Path, Path]) -> None:
    first, again, other = (read_arc(TASK, files[1], augmentations=3, puzzle_seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)


def test_what_tells_a_test_answer_is_left_out_and_named(tmp_path: Path) -> None:
    tested, other = entry(3, 2), entry(3, 1)
    other["train"][1] = recoloured(tested["test"][0])
    other["train"][0] = recoloured(other["test"][0])  # its own test in other colours: part of the question
    tested["train"][2] = tested["test"][1]  # its own test to the last cell: the answer
    turned_apart = {"input": tested["test"][0]["input"], "output": tested["test"][0]["output"][::-1]}
    training = {
        "copy": {"train": [pair(), tested["test"][1]], "test": [pair()]},
        "recoloured": {"train": [pair()], "test": [recoloured(tested["test"][0])]},
        "same demonstration": {"train": [recoloured(tested["train"][0])], "test": [pair()]},
        "other answer": {"train": [turned_apart], "test": [pair()]},
    }
    paths = written(tmp_path / "t.json", training), written(tmp_path / "e.json", {"e1": tested, "e2": other})
    build = build_arc(TASK, [paths[0]], [paths[1]])
    assert build.train.names == ("<blank>", "same demonstration", "other answer", "e1", "e2")
    assert build.train.puzzle_id.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert len(build.test) == 3
    assert build.left_out == (
        "training task copy holds a test pair of evaluation task e1",
        "training task recoloured holds a test pair of evaluation task e1",
        "train pair 3 of evaluation task e1 is a test pair of evaluation task e1",
        "train pair 2 of evaluation task e2 is a test pair of evaluation task e1",
    )
    assert (build.train.skipped, build.test.skipped) == (4, 0)


Pair = tuple[Grid, Grid]


def told(train: Puzzles, tests: list[tuple[str, Pair]]) -> set[tuple[str, str]]:
    """Tasks with a training row that is a test pair, and whose, found by trying all turns and whether colours map."""
    alike: dict[Any, list[tuple[str, Pair]]] = defaultdict(list)
    for id, test in tests:
        alike[measures(test)].append((id, test))
    found = set()
    for number, *tokens in zip(train.puzzle_id, train.inputs, train.solution, strict=True):
        pair = bare(tokens[0]), bare(tokens[1])
        for id, test in alike.get(measures(pair), []):
            if any(same_up_to_colours(image, test) for image in images(pair)):
                found.add((parse_name(train.names[number])[0], id))
    return found


def bare(tokens: np.ndarray) -> Grid:
    canvas = tokens.reshape(30, 30).astype(int)
    coloured = canvas >= 2
    return canvas[np.ix_(coloured.any(axis=1), coloured.any(axis=0))] - 2


def measures(pair: Pair) -> Any:
    return tuple((*sorted(grid.shape), np.count_nonzero(grid)) for grid in pair)


def images(pair: Pair) -> Iterator[Pair]:
    for asked, answer in (pair, (np.fliplr(pair[0]), np.fliplr(pair[1]))):
        yield from ((np.rot90(asked, turns), np.rot90(answer, turns)) for turns in range(4))


def same_up_to_colours(first: Pair, second: Pair) -> bool:
    if any(one.shape != other.shape for one, other in zip(first, second, strict=True)):
        return False
    columns = (np.concatenate([grid.ravel() for grid in pair]).tolist() for pair in (first, second))
    meetings = set(zip(*columns, strict=True))
    one_to_one = len({one for one, _ in meetings}) == len({other for _, other in meetings}) == len(meetings)
    return one_to_one and all((one == 0) == (other == 0) for one, other in meetings)


def test_no_answer_to_a_real_test_is_in_training(shared_data: Path) -> None:
    training, evaluation = (shared_data / "arc" / f"arc1_{name}.json.gz" for name in ("training", "evaluation"))
    entries = json.loads(gzip.decompress(evaluation.read_bytes()))
    tests = [
        (id, (np.array(pair["input"]), np.array(pair["output"])))
        for id, task in entries.items()
        for pair in task["test"]
    ]
    assert told(build_arc(Arc(), [training], []).train, tests) == {  # left as they are
        ("40853293", "070dd51e"),
        ("caa06a1f", "50a16a69"),
    }
    build = build_arc(Arc(), [training], [evaluation], augmentations=1)
    own = told(build.train, tests)
    assert all(task == test for task, test in own)  # demonstrations that are their own test, turned or recoloured
    assert len(own) == 7
    assert "training task 40853293 holds a test pair of evaluation task 070dd51e" in build.left_out
    assert (len(build.train.names), len(build.test), len(build.left_out)) == (1 + 2 * 798, 2 * 419, 2)
    published = {(number, *map(bytes, tokens)) for number, *tokens in cells(build.test)}
    assert not published & {(number, *map(bytes, tokens)) for number, *tokens in cells(build.train)}


def cells(puzzles: Puzzles) -> Iterator[tuple[int, Grid, Grid]]:
    """Puzzle id, input and output of every row, as bare grids."""
    for number, *tokens in zip(puzzles.puzzle_id.tolist(), puzzles.inputs, puzzles.solution, strict=True):
        yield number, bare(tokens[0]).astype(np.uint8).copy(), bare(tokens[1]).astype(np.uint8).copy()
