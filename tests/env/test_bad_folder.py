"""Damaged and foreign folders are refused in one sentence that names the file; half a folder is never left."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.sources.folder import read_folder, write_folder
from hrm_env.tasks.sudoku.task import Sudoku

TASK = Sudoku(2, 2)
Damage = Callable[[Path], object]


def some(count: int = 6, **columns: Any) -> Puzzles:
    tokens = np.arange(count * 16, dtype=np.uint8).reshape(count, 16) % 6
    ids, group = np.array([0, 0, 1, 1, 2, 2])[:count], np.array([0, 0, 1, 1, 1, 1])[:count]
    names = ("<blank>", "one", "two")
    given: dict[str, Any] = {"inputs": tokens, "solution": tokens, "puzzle_id": ids, "group": group, "names": names}
    return Puzzles(**(given | columns))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    write_folder(TASK, tmp_path / "built", {"train": some(), "test": some()[:2]})
    return tmp_path / "built"


def gone(path: Path) -> None:
    path.unlink()


def content(data: bytes) -> Damage:
    return lambda path: path.write_bytes(data)


def field(name: str, value: Any) -> Damage:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))

    return change


def array(change: Callable[[np.ndarray], Any]) -> Damage:
    return lambda path: np.save(path, change(np.load(path)))


def numbers(*values: Any) -> Damage:
    return array(lambda _: np.array(values))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def zipped(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, np.zeros(3))


def header(text: str) -> Damage:
    """The numbers of an array below another header."""

    def change(path: Path) -> None:
        line = text.encode() + b"\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + path.read_bytes()[128:])

    return change


def token(value: int, dtype: str) -> Damage:
    def change(tokens: np.ndarray) -> np.ndarray:
        tokens = tokens.astype(dtype)
        tokens[4, 2] = value
        return tokens

    return array(change)


META, INPUTS, LABELS = "train/dataset.json", "train/all__inputs.npy", "train/all__labels.npy"
IDS, PUZZLES, GROUPS = (f"train/all__{name}.npy" for name in ("puzzle_identifiers", "puzzle_indices", "group_indices"))
NO_JSON, NO_NPY = "expected a readable JSON file", "expected a readable npy file"
TOKENS, ASCENDING = r"expected integers of shape \(N, 16\), found ", "expected ascending numbers from 0 to "
SETS = r"expected plain names as sets, such as \['all'\], found "

BAD: dict[str, tuple[str, Damage, str]] = {
    "no metadata": (META, gone, NO_JSON),
    "no JSON": (META, content(b"{"), NO_JSON),
    "bytes": (META, content(b"\xff\xfe"), NO_JSON),
    "deep": (META, content(b"[" * 100_000), NO_JSON),
    "a list": (META, content(b"[]"), r"expected a JSON object, found \[\]"),
    "pad": (META, field("pad_id", 1), r"expected pad_id 0 \(sudoku:2x2\), found 1"),
    "ignored label": (META, field("ignore_label_id", -100), r"expected ignore_label_id 0 \(sudoku:2x2\), found -100"),
    "no ignored label": (META, field("ignore_label_id", None), "expected ignore_label_id 0 .*, found none"),
    "blank id": (META, field("blank_identifier_id", 3), "expected blank_identifier_id 0 .*, found 3"),
    "vocabulary": (META, field("vocab_size", 11), r"expected vocab_size 6 \(sudoku:2x2\), found 11"),
    "length": (META, field("seq_len", 81), r"expected seq_len 16 \(sudoku:2x2\), found 81"),
    "ids": (META, field("num_puzzle_identifiers", "3"), "num_puzzle_identifiers from 1 to 2147483647, found '3'"),
    "no groups": (META, field("total_groups", 0), "expected total_groups from 1 to 2147483647, found 0"),
    "mean": (META, field("mean_puzzle_examples", "1"), "expected a number as mean_puzzle_examples, found '1'"),
    "outside": (META, field("sets", ["../../x"]), SETS + r"\['\.\./\.\./x'\]"),
    "absolute": (META, field("sets", ["/etc/x"]), SETS),
    "no sets": (META, field("sets", []), SETS + r"\[\]"),
    "a word": (META, field("sets", "all"), SETS + "'all'"),
    "set of a number": (META, field("sets", [1]), SETS + r"\[1\]"),
    "a set twice": (META, field("sets", ["all", "all"]), "expected sets that differ"),
    "names of no list": ("identifiers.json", content(b'{"a": 1}'), "expected a JSON list of names, found {'a': 1}"),
    "name of no text": ("identifiers.json", content(b"[1, 2, 3]"), "expected a JSON list of names"),
    "few names": ("identifiers.json", content(b'["a"]'), "expected 3 names, as num_puzzle_identifiers says, found 1"),
    "no inputs": (INPUTS, gone, NO_NPY),
    "truncated": (INPUTS, cut, NO_NPY),
    "truncated numbers": (IDS, cut, NO_NPY),
    "empty": (LABELS, content(b""), NO_NPY),
    "shape of bools": (IDS, header("{'descr': '<i4', 'fortran_order': False, 'shape': (True,), }"), NO_NPY),
    "no shape": (IDS, header("{'descr': '<i4', 'fortran_order': False, 'shape': True, }"), NO_NPY),
    "deep brackets": (IDS, header("(" * 9000), NO_NPY),
    "deep dictionaries": (IDS, header("{1:" * 3000), NO_NPY),
    "many signs": (IDS, header("{'descr': '<i4', 'fortran_order': False, 'shape': (" + "-" * 9000 + "4,), }"), NO_NPY),
    "large sizes": (IDS, header(f"{{'descr': '<i4', 'fortran_order': False, 'shape': ({'9' * 18}, 4), }}"), NO_NPY),
    "many sizes": (IDS, header("{'descr': '<i4', 'fortran_order': False, 'shape': (" + "1," * 4000 + "), }"), NO_NPY),
    "odd type": (IDS, header("{'descr': '<i3', 'fortran_order': False, 'shape': (4,), }"), NO_NPY),
    "records": (IDS, header("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (4,), }"), NO_NPY),
    "long name of a set": (META, field("sets", ["a" * 100_000]), SETS + r"\['a+\.\.\.$"),
    "many sets": (META, field("sets", [str(number) for number in range(101)]), SETS),
    "long number": (META, field("seq_len", 10**4000), "found an integer of 13,288 bits"),
    "surrogates": ("identifiers.json", content(b'["a", "b", "\\ud800"]'), r"expected printable names, found '\\ud800'"),
    "text": (LABELS, content(b"question,answer"), NO_NPY),
    "pickled": (INPUTS, pickled, NO_NPY),
    "pickled numbers": (IDS, pickled, NO_NPY),
    "npz": (LABELS, zipped, NO_NPY),
    "floats": (INPUTS, array(lambda tokens: tokens.astype(np.float32)), TOKENS + r"float32 of shape \(6, 16\)"),
    "flat": (INPUTS, array(np.ravel), TOKENS + r"uint8 of shape \(96,\)"),
    "wide": (LABELS, array(lambda tokens: tokens.reshape(3, 32)), TOKENS + r"uint8 of shape \(3, 32\)"),
    "no rows": (INPUTS, array(lambda tokens: tokens[:0]), TOKENS + r"uint8 of shape \(0, 16\)|" + NO_NPY),
    "Fortran": (INPUTS, array(np.asfortranarray), TOKENS + r"uint8 of shape \(6, 16\) in Fortran order"),
    "one label less": (LABELS, array(lambda tokens: tokens[:-1]), "expected 6 rows, as the inputs have, found 5"),
    "token": (INPUTS, token(6, "u1"), "expected tokens 0 to 5, found 6 in row 4"),
    "negative token": (LABELS, token(-1, "i8"), "expected tokens 0 to 5, found -1 in row 4"),
    "large token": (LABELS, token(256, ">i2"), "expected tokens 0 to 5, found 256 in row 4"),
    "late start": (PUZZLES, numbers(1, 2, 4, 6), ASCENDING + "6, found 1 as the first"),
    "early end": (PUZZLES, numbers(0, 1, 2, 4, 5), ASCENDING + "6, found 5 as the last"),
    "back": (PUZZLES, numbers(0, 4, 2, 6), ASCENDING + "6, found 2 after 4"),
    "empty puzzle": (PUZZLES, numbers(0, 2, 2, 6), ASCENDING + "6, found 2 after 2"),
    "groups' end": (GROUPS, numbers(0, 2, 6), ASCENDING + "4, found 6 as the last"),
    "group floats": (GROUPS, numbers(0.0, 4.0), r"expected integers of shape \(K \+ 1,\), found float64"),
    "few ids": (IDS, numbers(0, 0, 1), r"expected integers of shape \(4,\), found int64 of shape \(3,\)"),
    "no such id": (IDS, numbers(0, 0, 1, 3), "expected numbers 0 to 2, found 3"),
    "negative id": (IDS, numbers(0, -1, 1, 2), "expected numbers 0 to 2, found -1"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_damaged_folder_is_one_sentence_that_names_the_file(built: Path, kind: str) -> None:
    file, damage, message = BAD[kind]
    damage(built / file)
    with pytest.raises(ValueError, match=message) as caught:
        read_folder(TASK, built)
    assert str(caught.value).startswith(f"{built / file}: ")
    assert "\n" not in str(caught.value)


def test_names_are_needed_of_a_million_ids_and_more(built: Path) -> None:
    (built / "identifiers.json").unlink()
    assert read_folder(TASK, built).names == ("0", "1", "2")
    field("num_puzzle_identifiers", 10**9)(built / META)
    with pytest.raises(ValueError, match="expected the names of 1000000000 puzzle ids, found no such file"):
        read_folder(TASK, built)


def test_a_header_is_read_as_other_programs_write_it(built: Path) -> None:
    good, data, kind = read_folder(TASK, built), (built / IDS).read_bytes(), np.load(built / IDS).dtype.str
    for text in (
        f"{{'shape':(4,),'descr':'{kind}' ,\t'fortran_order':False}}",
        f"{{'descr': '{kind}', 'fortran_order': True, 'shape': (4, ), }}",
    ):
        (built / IDS).write_bytes(data)
        header(text)(built / IDS)
        assert read_folder(TASK, built).puzzle_id.tolist() == good.puzzle_id.tolist()


def test_groups_rows_and_splits_are_checked(built: Path) -> None:
    field("total_groups", 4)(built / META)
    with pytest.raises(ValueError, match=r"train: expected 4 groups, as dataset\.json says, found 2"):
        read_folder(TASK, built)
    with pytest.raises(ValueError, match=r"test: expected at least one puzzle, found none in rows '2:'"):
        load_puzzles(TASK, str(built), split="test", rows="2:")
    with pytest.raises(ValueError, match=r"split: expected one of .*, found 'valid'"):
        read_folder(TASK, built, split="valid")  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"the source .* unexpected keyword argument 'min_rating'; expected one of split, rows"
    ):
        load_puzzles(TASK, str(built), min_rating=3)


def test_no_damaged_byte_of_a_header_is_another_error(built: Path) -> None:
    def outcome() -> str:
        try:
            return f"{len(read_folder(TASK, built))} puzzles"
        except ValueError as error:
            return str(error)

    data = (built / IDS).read_bytes()
    for position in range(128):
        for damage in (0x01, 0x80):
            (built / IDS).write_bytes(data[:position] + bytes([data[position] ^ damage]) + data[position + 1 :])
            assert outcome().startswith(("6 puzzles", f"{built / IDS}: "))


BAD_PUZZLES: dict[str, tuple[dict[Any, Puzzles], str]] = {
    "none": ({}, "splits: expected one or two with the same names of puzzle ids, found 0 lists of names"),
    "split": ({"valid": some()}, "split: expected one of .*, found 'valid'"),
    "names": ({"train": some(), "test": some(2, names=("<blank>", "b"))}, "same names of puzzle ids, found 2 lists"),
    "count": ({"test": some()[:0]}, "test: expected at least one puzzle, found none"),
    "cells": (
        {"train": Puzzles(np.ones((2, 9), np.uint8), np.ones((2, 9), np.uint8))},
        r"train: expected puzzles of 16 cells \(sudoku:2x2\), found 9",
    ),
    "token": (
        {"train": some(solution=np.full((6, 16), 6, np.uint8))},
        "train: expected solution from 0 to 5 .*, found 6",
    ),
    "id": ({"train": some(names=("a", "b"))}, "train: expected puzzle_id from 0 to 1 .*, found 2"),
    "low id": ({"train": some(puzzle_id=np.full(6, -1))}, "train: expected puzzle_id from 0 to 2 .*, found -1"),
    "name": (
        {"train": some(names=("a", "b", "\ud800"))},
        r"identifiers\.json: expected printable names, found '\\ud800'",
    ),
}


@pytest.mark.parametrize("kind", BAD_PUZZLES)
def test_what_could_not_be_read_again_is_not_written(tmp_path: Path, kind: str) -> None:
    splits, message = BAD_PUZZLES[kind]
    with pytest.raises(ValueError, match=message):
        write_folder(TASK, tmp_path / "built", splits)
    assert not list(tmp_path.iterdir())


def test_a_taken_path_is_refused_and_an_empty_folder_is_filled(tmp_path: Path) -> None:
    taken, file, empty = tmp_path / "taken", tmp_path / "file", tmp_path / "empty"
    taken.mkdir()
    empty.mkdir()
    file.touch()
    (taken / "mine.txt").write_text("mine")
    for path, found in ((taken, "one with files"), (file, "a file")):
        with pytest.raises(ValueError, match=f"{path}: expected a new or an empty folder, found {found}"):
            write_folder(TASK, path, {"train": some()})
    write_folder(TASK, empty, {"train": some()})
    assert len(read_folder(TASK, empty)) == 6
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "taken"]


@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()])
def test_interrupted_work_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("hrm_env.sources.folder.write_names", fail)  # when all else is written
    with pytest.raises(type(error)):
        write_folder(TASK, tmp_path / "built", {"train": some()})
    assert not list(tmp_path.iterdir())
