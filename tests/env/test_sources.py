"""Where puzzles come from: the generated splits with their cache, puzzles in memory, and files by their kind."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import hrm_env
from hrm_env.checks import UnknownOptionError
from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles, options_of
from hrm_env.sources.folder import write_folder
from hrm_env.sources.generated import _digest, generated
from hrm_env.tasks import make_task
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.sudoku.task import Sudoku

TASK = Sudoku(2, 2)


@pytest.mark.parametrize("id", hrm_env.registered_ids())
def test_splits_share_no_puzzle_up_to_symmetry(id: str) -> None:
    task = make_task(gym.spec(id).kwargs["task"])
    train = load_puzzles(task, split="train", num_puzzles=40, puzzle_seed=0)
    test = load_puzzles(task, split="test", num_puzzles=40, puzzle_seed=1)
    assert len(train) == len(test) == 40
    assert not set(task.symmetry_key(train.inputs)) & set(task.symmetry_key(test.inputs))


def test_cache_is_read_and_a_damaged_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path))
    first = load_puzzles(TASK, num_puzzles=20)
    (file,) = tmp_path.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(Sudoku, "generate", lambda *_: pytest.fail("the cache was not read"))
        assert np.array_equal(load_puzzles(Sudoku(2, 2), num_puzzles=20).inputs, first.inputs)
    data = bytearray(file.read_bytes())
    for damage in (bytes(data[: len(data) // 2]), b"", bytes(byte ^ 255 for byte in data)):
        file.write_bytes(damage)
        with pytest.warns(UserWarning, match="damaged"):
            again = load_puzzles(TASK, num_puzzles=20)
        assert np.array_equal(again.inputs, first.inputs)
    assert np.array_equal(load_puzzles(TASK, num_puzzles=20).inputs, first.inputs)


def test_no_damaged_byte_goes_unnoticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path))
    first = load_puzzles(TASK, num_puzzles=2)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a byte that says nothing about the puzzles needs no warning
        for position in range(0, len(data), 11):
            file.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            again = load_puzzles(TASK, num_puzzles=2)
            assert np.array_equal(again.inputs, first.inputs)
            assert np.array_equal(again.solution, first.solution)


def test_a_wrong_checksum_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path))
    first = load_puzzles(TASK, num_puzzles=5)
    (file,) = tmp_path.iterdir()
    with np.load(file) as arrays:
        changed = dict(arrays)
    changed["solution"] = changed["solution"] + 1
    np.savez(file, **changed)
    with pytest.warns(UserWarning, match="checksum"):
        assert np.array_equal(load_puzzles(TASK, num_puzzles=5).solution, first.solution)


def another(name: str, value: Any, row: Any = 0) -> Callable[[dict[str, np.ndarray]], Any]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][row] = value

    return change


RESEALED: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {
    "a token that is none": another("inputs", 6),
    "a solution that solves another puzzle": another("solution", 2),
    "an id without a name": another("puzzle_id", 1),
    "a negative id": another("puzzle_id", -1),
    "fewer puzzles": lambda arrays: arrays.update({name: array[:2] for name, array in arrays.items()}),
    "fewer solutions": lambda arrays: arrays.update(solution=arrays["solution"][:2]),
    "a single number": lambda arrays: arrays.update(inputs=np.array(3)),
    "floats": lambda arrays: arrays.update(rating=arrays["rating"].astype(float)),
    "an array more": lambda arrays: arrays.update(extra=np.array(False)),
    "no names": lambda arrays: arrays.pop("names"),
    "names of another kind": lambda arrays: arrays.update(names=np.zeros(1)),
}


@pytest.mark.parametrize("kind", RESEALED)
def test_other_puzzles_under_a_right_checksum_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path))
    first = load_puzzles(TASK, num_puzzles=5)
    (file,) = tmp_path.iterdir()
    with np.load(file) as stored:
        arrays = {name: array for name, array in stored.items() if name != "sha256"}
    RESEALED[kind](arrays)
    np.savez(file, sha256=_digest(arrays), **arrays)
    with pytest.warns(UserWarning, match=r"damaged \((it holds|source: expected|puzzles: expected) .*generated again"):
        again = load_puzzles(TASK, num_puzzles=5)
    assert np.array_equal(again.solution, first.solution)
    assert np.array_equal(load_puzzles(TASK, num_puzzles=5).solution, first.solution)


class Interrupted(Sudoku):
    """Sudoku whose generator is stopped after some chunks."""

    def __init__(self, chunks: int) -> None:
        super().__init__(2, 2)
        self.left = chunks

    def generate(self, count: int, rng: np.random.Generator, *options: Any, **more: Any) -> Puzzles:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().generate(count, rng, *options, **more)


def test_interrupted_generation_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path / "whole"))
    whole = load_puzzles(TASK, num_puzzles=700)
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path / "stopped"))
    monkeypatch.setattr(sys.modules[generated.__module__], "_SAVED_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        load_puzzles(Interrupted(3), num_puzzles=700)
    (partial,) = (tmp_path / "stopped").iterdir()
    kept = partial.read_bytes()
    again = load_puzzles(Interrupted(4), num_puzzles=700)  # 7 chunks or fewer make 700 puzzles of a split
    assert not partial.exists()
    assert np.array_equal(again.inputs, whole.inputs)
    assert np.array_equal(again.group, whole.group)

    next((tmp_path / "stopped").iterdir()).unlink()
    partial.write_bytes(kept[:-50])
    with pytest.warns(UserWarning, match=r"partial.npz: damaged .*generated again"):
        assert np.array_equal(load_puzzles(TASK, num_puzzles=700).inputs, whole.inputs)


def test_an_unwritable_cache_costs_only_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match="could not be written"):
        assert len(load_puzzles(TASK, num_puzzles=5)) == 5


def test_options_are_part_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path))
    load_puzzles(TASK, num_puzzles=5)
    more_clues = load_puzzles(TASK, num_puzzles=5, clues=9)
    assert ((more_clues.inputs > 1).sum(axis=1) == 9).all()
    assert len(list(tmp_path.iterdir())) == 2


def test_unknown_options_are_refused() -> None:
    with pytest.raises(
        UnknownOptionError, match=r"the source 'generated' .* argument 'colour'; expected one of .*clues"
    ):
        load_puzzles(TASK, colour="red")
    with pytest.raises(UnknownOptionError, match=r"'num_puzzle'; did you mean 'num_puzzles'\?"):
        load_puzzles(TASK, num_puzzle=3)
    with pytest.raises(ValueError, match=r"split: expected one of .*found 'tset'"):
        load_puzzles(TASK, split="tset")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"num_puzzles": 0}, "num_puzzles: expected an integer from 1 to 2147483647, found 0"),
        ({"num_puzzles": 2.5}, r"num_puzzles: expected an integer .*, found 2\.5"),
        ({"num_puzzles": "9"}, "num_puzzles: expected an integer .*, found '9'"),
        ({"puzzle_seed": -1}, "puzzle_seed: expected an integer from 0 to .*, found -1"),
        ({"puzzle_seed": None}, "puzzle_seed: expected an integer from 0 to .*, found None"),
        ({"clues": "../../abc"}, "clues: expected .*, found '../../abc'"),
        ({"clues": "abc"}, "clues: expected an integer from 0 to 16, found 'abc'"),
        ({"max_rating": 1.5}, r"max_rating: expected an integer of at most 2147483647, found 1\.5"),
        ({"split": ["test"]}, r"split: expected one of train, test, found \['test'\]"),
    ],
)
def test_bad_options_are_one_sentence_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("HRM_ENV_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=f"^{message}$"):
        load_puzzles(TASK, **option)
    assert not list(tmp_path.iterdir())


def test_puzzles_in_memory_are_a_source() -> None:
    puzzles = load_puzzles(TASK, num_puzzles=10)
    assert isinstance(puzzles[2:5], Puzzles)
    assert np.array_equal(load_puzzles(TASK, puzzles[2:5]).inputs, puzzles.inputs[2:5])
    with pytest.raises(
        UnknownOptionError, match=r"puzzles in memory got an .* argument 'colour'; expected one of none"
    ):
        load_puzzles(TASK, puzzles, colour="red")
    with pytest.raises(ValueError, match=r"source: expected puzzles of 36 cells \(sudoku:2x3\), found 16"):
        load_puzzles(Sudoku(2, 3), puzzles)


@pytest.mark.parametrize(
    ("files", "source", "reader"),
    [
        ((), "hub:owner/name", "read_hub"),
        (("train/dataset.json", "identifiers.json"), "", "read_folder"),
        (("test/dataset.json",), "", "read_folder"),
        (("test/dataset.json",), "test", "read_split"),
        (("one.json", "two.json"), "", "read_arc"),
        (("one.json",), "one.json", "read_arc"),
        (("all.json.gz",), "all.json.gz", "read_arc"),
        (("a.csv",), "a.csv", "read_csv"),
        (("a.txt.gz",), "a.txt.gz", "read_csv"),
    ],
)
def test_each_kind_of_source_has_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], source: str, reader: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    asked: list[tuple[object, str]] = []
    for place in (
        "sources.hub.read_hub",
        "sources.read_folder",
        "sources.read_split",
        "tasks.arc.task.read_arc",
        "sources.read_csv",
    ):
        name = place.split(".")[-1]
        monkeypatch.setattr(f"hrm_env.{place}", lambda task, path, name=name: asked.append((name, path)))
    path = source if source.startswith("hub:") else str(tmp_path / source)
    for given in (path, Path(path)):
        load_puzzles(Arc() if reader == "read_arc" else TASK, given)
    assert asked == [(reader, path.removeprefix("hub:"))] * 2


def test_the_options_of_a_source_are_those_of_its_reader(tmp_path: Path) -> None:
    puzzles = load_puzzles(TASK, num_puzzles=4)
    write_folder(TASK, tmp_path / "built", {"train": puzzles, "test": puzzles[:1]})
    assert options_of(TASK, str(tmp_path / "built")) == ["split", "rows"]
    assert options_of(TASK, str(tmp_path / "built" / "test")) == ["rows"]  # holds one split alone
    assert options_of(TASK, "hub:owner/name") == ["split", *options_of(TASK, "file.csv")]
    assert [len(load_puzzles(TASK, str(tmp_path / "built"), split=split)) for split in ("train", "test")] == [4, 1]
