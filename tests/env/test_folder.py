"""Built folders, read and written, against a plain retelling of the reference code's builders and loader."""

import json
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.sources.folder import read_folder, read_split, write_folder
from hrm_env.task import PuzzleSpec, PuzzleTask
from hrm_env.tasks.sudoku.task import Sudoku

COLUMNS = ("inputs", "labels", "puzzle_identifiers", "puzzle_indices", "group_indices")
Example = tuple[np.ndarray, np.ndarray]
Group = list[tuple[int, list[Example]]]  # puzzles with their id and examples


class Grid(PuzzleTask):
    """A family of which only the sizes matter."""

    def __init__(self, seq_len: int, vocab_size: int) -> None:
        self.spec = PuzzleSpec(f"grid:{seq_len}", 1, seq_len, vocab_size)
        self.alphabet = "abcdefghijklmnopq"[: vocab_size - 1]

    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        tokens = rng.integers(1, self.spec.vocab_size, (count, self.spec.seq_len), dtype=np.uint8)
        return Puzzles(tokens, tokens[:, ::-1].copy())

    def satisfies_rules(self, inputs: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(inputs), dtype=torch.bool)


def build(folder: Path, task: PuzzleTask, splits: dict[str, list[Group]], names: list[str], sets: int = 1) -> None:
    """What the reference code's builders do, told as they do it; the groups are dealt out to the sets."""
    for split, all_groups in splits.items():
        (folder / split).mkdir(parents=True)
        set_names = ["all", "more", "rest"][:sets]
        for number, name in enumerate(set_names):
            results: dict[str, list[Any]] = {column: [] for column in COLUMNS}
            results["puzzle_indices"].append(0)
            results["group_indices"].append(0)
            for group in all_groups[number::sets]:
                for identifier, examples in group:
                    for inp, out in examples:
                        results["inputs"].append(inp)
                        results["labels"].append(out)
                    results["puzzle_indices"].append(len(results["inputs"]))
                    results["puzzle_identifiers"].append(identifier)
                results["group_indices"].append(len(results["puzzle_identifiers"]))
            for column, values in results.items():
                array = np.stack(values) if column in ("inputs", "labels") else np.array(values, dtype=np.int32)
                np.save(folder / split / f"{name}__{column}.npy", array)
        puzzles = [examples for group in all_groups for _, examples in group]
        metadata = {
            "pad_id": 0,
            "ignore_label_id": 0,
            "blank_identifier_id": 0,
            "vocab_size": task.spec.vocab_size,
            "seq_len": task.spec.seq_len,
            "num_puzzle_identifiers": len(names),
            "total_groups": len(all_groups),
            "mean_puzzle_examples": sum(map(len, puzzles)) / len(puzzles),
            "sets": set_names,
        }
        (folder / split / "dataset.json").write_text(json.dumps(metadata))
    (folder / "identifiers.json").write_text(json.dumps(names))


def sudoku() -> tuple[PuzzleTask, dict[str, list[Group]], list[str]]:
    """Each puzzle and its variants are a group; the builder's digit maps make the tokens int64."""
    task, rng = Sudoku(2, 2), np.random.default_rng(0)
    puzzles = task.generate(9, rng)
    splits: dict[str, list[Group]] = {"train": [], "test": []}
    for row, (inp, out) in enumerate(zip(puzzles.inputs - 1, puzzles.solution - 1, strict=True)):
        maps = [np.arange(5)] + [np.append(0, rng.permutation(4) + 1) for _ in range(3 if row < 6 else 0)]
        splits["train" if row < 6 else "test"].append([(0, [(by[inp] + 1, by[out] + 1)]) for by in maps])
    return task, splits, ["<blank>"]


def maze() -> tuple[PuzzleTask, dict[str, list[Group]], list[str]]:
    """Eight dihedral variants are a group."""
    task, rng = Grid(9, 6), np.random.default_rng(1)

    def group(variants: int) -> Group:
        inp, out = rng.integers(1, 6, (2, 3, 3), dtype=np.uint8)
        turned = [
            tuple(np.rot90(np.flip(grid, 0) if i > 3 else grid, i).ravel() for grid in (inp, out)) for i in range(8)
        ]
        return [(0, [pair]) for pair in turned[:variants]]

    return task, {"train": [group(8) for _ in range(4)], "test": [group(1) for _ in range(3)]}, ["<blank>"]


def arc() -> tuple[PuzzleTask, dict[str, list[Group]], list[str]]:
    """Each variant of a task is a puzzle with an id of its own, several examples and padding; splits share the ids."""
    task, rng = Grid(16, 12), np.random.default_rng(2)

    def examples(least: int) -> list[Example]:
        return [tuple(rng.integers(0, 12, (2, 16), dtype=np.uint8)) for _ in range(rng.integers(least, 5))]

    ids = np.arange(1, 16).reshape(5, 3)  # five tasks of three variants
    train: list[Group] = [[(int(id), examples(2)) for id in variants] for variants in ids]
    test: list[Group] = [[(int(id), examples(1)) for id in variants] for variants in ids[3:]]
    return task, {"train": train, "test": test}, ["<blank>", *(f"task{i // 3}_t{i % 3}" for i in range(15))]


def rows_of(groups: list[Group]) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
    for number, group in enumerate(groups):
        for identifier, examples in group:
            for inp, out in examples:
                yield inp, out, identifier, number


def loaded(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata and arrays as the reference code's ``puzzle_dataset.py`` loads them."""
    return json.loads((folder / "dataset.json").read_text()), {
        column: np.load(folder / f"all__{column}.npy") for column in COLUMNS
    }


@pytest.mark.parametrize("kind", [sudoku, maze, arc])
@pytest.mark.parametrize("split", ["train", "test"])
def test_what_the_builders_write_is_read(tmp_path: Path, kind: Any, split: Any) -> None:
    task, splits, names = kind()
    build(tmp_path, task, splits, names)
    puzzles = read_folder(task, tmp_path, split=split)
    inputs, labels, ids, groups = (np.array(column) for column in zip(*rows_of(splits[split]), strict=True))
    assert np.array_equal(puzzles.inputs, inputs)
    assert np.array_equal(puzzles.solution, labels)
    assert np.array_equal(puzzles.puzzle_id, ids)
    assert np.array_equal(puzzles.group, groups)
    assert puzzles.names == tuple(names)
    assert puzzles.inputs.dtype == puzzles.solution.dtype == np.uint8
    assert np.array_equal(read_split(task, tmp_path / split, rows="1:-1").inputs, inputs[1:-1])


@pytest.mark.parametrize("kind", [sudoku, maze, arc])
def test_reading_and_writing_what_the_builders_write_gives_the_same(tmp_path: Path, kind: Any) -> None:
    task, splits, names = kind()
    build(tmp_path / "theirs", task, splits, names)
    read = {split: load_puzzles(task, str(tmp_path / "theirs"), split=split) for split in splits}
    write_folder(task, tmp_path / "ours", read)
    files = {path.relative_to(tmp_path / "theirs") for path in (tmp_path / "theirs").rglob("*.*")}
    assert files == {path.relative_to(tmp_path / "ours") for path in (tmp_path / "ours").rglob("*.*")}
    for file in files:
        theirs, ours = tmp_path / "theirs" / file, tmp_path / "ours" / file
        if file.suffix == ".json":
            assert json.loads(ours.read_text()) == json.loads(theirs.read_text())
        else:
            assert np.array_equal(np.load(ours), np.load(theirs))
            assert np.load(ours).dtype == (np.int32 if np.load(ours).ndim == 1 else np.uint8)


@pytest.mark.parametrize("rows", [slice(None), slice(3, None), slice(0, None, 2)])
def test_the_reference_loader_finds_in_our_folder_what_we_wrote(tmp_path: Path, rows: slice) -> None:
    task, splits, names = arc()
    columns = [np.array(column) for column in zip(*rows_of(splits["train"]), strict=True)]
    inputs, labels, ids, groups = columns
    ids[groups == 1] = 0  # puzzles without an id are one each
    puzzles = Puzzles(inputs, labels, puzzle_id=ids, group=groups, names=tuple(names))[rows]
    write_folder(task, tmp_path / "built", {"train": puzzles})
    metadata, data = loaded(tmp_path / "built" / "train")
    starts = data["puzzle_indices"]
    of_row = np.searchsorted(starts, np.arange(len(puzzles)), side="right") - 1  # its walk over the test set
    assert np.array_equal(data["inputs"], puzzles.inputs)
    assert np.array_equal(data["labels"], puzzles.solution)
    assert np.array_equal(data["puzzle_identifiers"][of_row], puzzles.puzzle_id)
    assert (np.diff(starts)[data["puzzle_identifiers"] == 0] == 1).all()
    found = []
    for group in range(metadata["total_groups"]):  # its walk over the training set
        for puzzle in range(data["group_indices"][group], data["group_indices"][group + 1]):
            examples = np.arange(starts[puzzle], starts[puzzle + 1])
            assert len(set(puzzles.group[examples])) == 1
            found += examples.tolist()
    assert found == list(range(len(puzzles)))
    assert metadata["total_groups"] == len(set(puzzles.group)) == len(data["group_indices"]) - 1
    assert metadata["mean_puzzle_examples"] == len(puzzles) / len(data["puzzle_identifiers"])


def test_several_sets_are_read_as_one(tmp_path: Path) -> None:
    task, splits, names = arc()
    build(tmp_path, task, splits, names, sets=2)
    puzzles = read_folder(task, tmp_path)
    dealt = splits["train"][::2] + splits["train"][1::2]
    inputs, _, ids, groups = (np.array(column) for column in zip(*rows_of(dealt), strict=True))
    assert np.array_equal(puzzles.inputs, inputs)
    assert np.array_equal(puzzles.puzzle_id, ids)
    assert np.array_equal(puzzles.group, groups)


def test_without_names_the_ids_are_numbered(tmp_path: Path) -> None:
    task, splits, names = arc()
    build(tmp_path, task, splits, names)
    (tmp_path / "identifiers.json").unlink()
    assert read_folder(task, tmp_path).names == tuple(str(number) for number in range(16))


def test_an_environment_maps_the_files_and_leaves_them(tmp_path: Path) -> None:
    task = Sudoku(2, 2)
    puzzles = load_puzzles(task, num_puzzles=50)
    write_folder(task, tmp_path / "built", {"train": puzzles})
    data = (tmp_path / "built" / "train" / "all__inputs.npy").read_bytes()
    env = PuzzleVectorEnv(task, 4, source=str(tmp_path / "built"), max_segments=1)
    mapped = env.rules.puzzles
    owner: object = mapped.inputs
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap)
    tensors = env.rules.tensors()
    assert tensors.inputs.data_ptr() == mapped.inputs.ctypes.data
    assert tensors.solution.data_ptr() == mapped.solution.ctypes.data
    drawn = env.reset(options={"index": np.array([49, 0, 7, 7])})[0]["inputs"]
    assert np.array_equal(drawn, puzzles.inputs[[49, 0, 7, 7]])
    tensors.inputs.zero_()
    assert (tmp_path / "built" / "train" / "all__inputs.npy").read_bytes() == data
