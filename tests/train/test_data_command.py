"""``python -m train data``: what it writes, how it refuses, and that nothing is ever half written."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import ROOT

from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.sources.folder import write_folder
from hrm_env.tasks.sudoku.task import Sudoku
from train.__main__ import main
from train.data_writing import with_variants

TASK = Sudoku(2, 3)
ENV = ["--env", "HRM-Sudoku6x6-v0"]


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    """Twenty, no two of which are symmetric."""
    puzzles = load_puzzles(TASK, num_puzzles=20)
    assert len(set(TASK.symmetry_key(puzzles.inputs))) == 20
    return puzzles


def data(command: str, *arguments: object) -> None:
    assert main(["data", command, *ENV, *map(str, arguments)]) == 0


def csv_of(folder: Path, puzzles: Puzzles, name: str = "puzzles.csv") -> Path:
    write_csv(TASK, folder / name, puzzles)
    return folder / name


def same(a: Puzzles, b: Puzzles) -> bool:
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.solution, b.solution)


def test_csv_to_folder_and_back_is_the_same(puzzles: Puzzles, tmp_path: Path) -> None:
    data("convert", csv_of(tmp_path, puzzles), tmp_path / "built", "--hold-out", 5)
    train, test = (load_puzzles(TASK, str(tmp_path / "built"), split=split) for split in ("train", "test"))
    assert same(train, puzzles[:15])
    assert same(test, puzzles[15:])
    data("convert", tmp_path / "built", tmp_path / "again" / "{split}.csv.gz")
    assert same(load_puzzles(TASK, str(tmp_path / "again" / "train.csv.gz")), puzzles[:15])
    assert same(load_puzzles(TASK, str(tmp_path / "again" / "test.csv.gz")), puzzles[15:])


def test_convert_takes_the_source_s_options_and_another_test_source(
    puzzles: Puzzles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rated = Puzzles(puzzles.inputs, puzzles.solution, np.arange(20, dtype=np.int32))
    train, test = csv_of(tmp_path, rated[:15]), csv_of(tmp_path, rated[15:], "test.csv")
    data("convert", train, tmp_path / "built", "--test-source", test, "--option", "min-rating=12")
    assert same(load_puzzles(TASK, str(tmp_path / "built")), puzzles[12:15])
    assert same(load_puzzles(TASK, str(tmp_path / "built"), split="test"), puzzles[15:])
    assert f"{tmp_path / 'built' / 'train'}: 3 rows of 3 puzzles\n" in capsys.readouterr().out
    data("convert", train, tmp_path / "one.csv", "--option", "rows=:4", "--option", "bad_rows=skip")
    assert same(load_puzzles(TASK, str(tmp_path / "one.csv")), puzzles[:4])


def test_augmentations_are_variants_in_the_group_of_their_puzzle(puzzles: Puzzles, tmp_path: Path) -> None:
    source = csv_of(tmp_path, puzzles)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        data("convert", source, tmp_path / name, "--hold-out", 8, "--augmentations", 3, "--seed", seed)
    a, b, c = (load_puzzles(TASK, str(tmp_path / name)) for name in "abc")
    assert same(a, b)
    assert not same(a, c)
    assert same(a[::4], puzzles[:12])
    assert a.group.tolist() == np.repeat(np.arange(12), 4).tolist()
    assert np.array_equal(TASK.symmetry_key(a.inputs), np.repeat(TASK.symmetry_key(puzzles[:12].inputs), 4))
    assert TASK.check(torch.as_tensor(a.inputs).long(), torch.as_tensor(a.solution).long()).all()
    assert len(np.unique(a.inputs, axis=0)) == 48
    assert len(load_puzzles(TASK, str(tmp_path / "a"), split="test")) == 8


def test_variants_of_one_puzzle_are_not_held_out_apart(puzzles: Puzzles, tmp_path: Path) -> None:
    grouped = with_variants(TASK, puzzles[:5], 3, seed=0)
    write_folder(TASK, tmp_path / "built", {"train": grouped, "test": puzzles[5:]})
    data("convert", tmp_path / "built" / "train", tmp_path / "held", "--hold-out", 2)
    assert same(load_puzzles(TASK, str(tmp_path / "held"), split="test"), grouped[16:])


def test_a_subsample_is_a_seeded_choice_of_training_puzzles(puzzles: Puzzles, tmp_path: Path) -> None:
    source = csv_of(tmp_path, puzzles)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        data("convert", source, tmp_path / f"{name}.csv", "--subsample", 7, "--seed", seed)
    a, b, c = (load_puzzles(TASK, str(tmp_path / f"{name}.csv")) for name in "abc")
    assert same(a, b)
    assert not same(a, c)
    rows = [int((puzzles.inputs == row).all(axis=1).argmax()) for row in a.inputs]
    assert rows == sorted(set(rows))
    assert same(a, puzzles[np.array(rows)])


def test_build_generates_splits_that_share_nothing(tmp_path: Path) -> None:
    numbers = ["--num-puzzles", 12, "--test-puzzles", 6, "--option", "clues=16"]
    data("build", tmp_path / "{split}.csv", *numbers)
    train, test = (load_puzzles(TASK, str(tmp_path / f"{split}.csv")) for split in ("train", "test"))
    assert (len(train), len(test)) == (12, 6)
    assert ((train.inputs != TASK.blank_id).sum(axis=1) == 16).all()
    assert not set(TASK.symmetry_key(train.inputs)) & set(TASK.symmetry_key(test.inputs))


def test_build_arc_leaves_out_what_would_tell_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def pair(*cells: int) -> dict[str, list[list[int]]]:
        return {"input": [list(cells)], "output": [list(reversed(cells))]}

    evaluation = {"asked": {"train": [pair(1, 2, 2), pair(3, 4, 5)], "test": [pair(1, 1, 2, 3)]}}
    training = {
        "fine": {"train": [pair(5, 6)], "test": [pair(7, 8, 8, 8, 8)]},
        "leak": {"train": [pair(2, 2, 3)], "test": [pair(4, 4, 6, 8)]},  # the test in other colours
    }
    for name, tasks in (("evaluation", evaluation), ("training", training)):
        (tmp_path / f"{name}.json").write_text(json.dumps(tasks))
    files = ["--training", f"{tmp_path}/training.json", "--evaluation", f"{tmp_path}/evaluation.json"]
    assert main(["data", "build-arc", f"{tmp_path}/arc", *files, "--augmentations", "2"]) == 0
    printed = capsys.readouterr().out
    assert "leak" in printed
    assert "fine" not in printed
    identifiers = json.loads((tmp_path / "arc" / "identifiers.json").read_text())
    assert {re.split(r"\W|_", name)[0] for name in identifiers[1:]} == {"fine", "asked"}


BAD = {
    "one split for a folder": (["{csv}", "{tmp}/new"], "{tmp}/new: expected test puzzles for a folder, too: add .*"),
    "one name for two splits": (["{folder}", "{tmp}/new.csv"], r"{tmp}/new.csv: expected \{split\} in the name .*"),
    "a folder with files": (["{folder}", "{folder}"], "{folder}: expected a new or an empty folder, found one .*"),
    "two tests": (["{folder}", "{tmp}/new", "--hold-out", "2"], "--hold-out: expected a source without test .*"),
    "too many held out": (["{csv}", "{tmp}/new", "--hold-out", "20"], "--hold-out: expected 1 to 19 .*, found 20"),
    "too large a subsample": (
        ["{csv}", "{tmp}/a.csv", "--subsample", "21"],
        "--subsample: expected 1 to 20 .*",
    ),
    "negative augmentations": (
        ["{csv}", "{tmp}/a.csv", "--augmentations", "-1"],
        "--augmentations: expected an integer of at least 0, found -1",
    ),
    "no symmetries": (
        ["generated", "{tmp}/new", "--env", "HRM-Copy-v0", "--augmentations", "1"],
        "--augmentations: expected a task with symmetries, found copy:4x4, which has none",
    ),
    "missing source": (["{tmp}/none.csv", "{tmp}/a.csv"], "{tmp}/none.csv: expected a readable CSV file.*"),
    "missing test source": (
        ["{csv}", "{tmp}/new", "--test-source", "{tmp}/none.csv"],
        "--test-source: expected generated, hub:owner/name, a file or a folder, found '{tmp}/none.csv'",
    ),
    "a file as folder": (
        ["{csv}", "{csv}/a.csv"],
        "OUT: expected a file in a folder that can be written, found {csv}/a.csv",
    ),
    "malformed option": (["{csv}", "{tmp}/a.csv", "--option", "rows"], "--option: expected name=value, found 'rows'"),
    "unknown option": (
        ["{csv}", "{tmp}/a.csv", "--option", "colour=1"],
        "--option: expected one of rows, bad_rows, .*, found 'colour'",
    ),
    "bad value of an option": (
        ["{csv}", "{tmp}/a.csv", "--option", "min-rating=few"],
        "--option min_rating: expected an integer, found 'few'",
    ),
    "no environment": (["{csv}", "{tmp}/a.csv", "--env", "HRM-Nope-v0"], "--env: expected a puzzle .*'HRM-Nope-v0'"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_writes_nothing(
    arguments: list[str], message: str, puzzles: Puzzles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(TASK, tmp_path / "built", {"train": puzzles[:10], "test": puzzles[10:]})
    places = {"{csv}": str(csv_of(tmp_path, puzzles)), "{folder}": f"{tmp_path}/built", "{tmp}": str(tmp_path)}
    before = set(tmp_path.rglob("*"))
    for name, path in places.items():
        arguments = [argument.replace(name, path) for argument in arguments]
        message = message.replace(name, re.escape(path))
    assert main(["data", "convert", *ENV, *arguments]) == 2
    printed = capsys.readouterr().err.strip()
    assert re.fullmatch(f"error: {message}", printed), printed
    assert set(tmp_path.rglob("*")) == before


HALFWAY = """
import sys, time, numpy, os
whole = {name}
def halfway(*args, **kwargs):
    whole(*args, **kwargs)
    print("halfway", flush=True)
    time.sleep(60)
{name} = halfway
from train.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("out", "at", "stop", "leaves"),
    [("built", "numpy.save", signal.SIGTERM, 0), ("{split}.csv", "os.fsync", signal.SIGKILL, 1)],
)
def test_killed_halfway_nothing_stands_under_the_target_and_a_second_run_succeeds(
    out: str, at: str, stop: signal.Signals, leaves: int, puzzles: Puzzles, tmp_path: Path
) -> None:
    arguments = [str(csv_of(tmp_path, puzzles)), str(tmp_path / "out" / out), "--hold-out", "5", *ENV]
    program = [sys.executable, "-c", HALFWAY.format(name=at), "data", "convert", *arguments]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "halfway\n"
        process.send_signal(stop)
    assert process.returncode == (130 if stop == signal.SIGTERM else -stop)
    left = list((tmp_path / "out").iterdir())
    assert len(left) == leaves
    assert all(path.name.startswith(".") for path in left)  # of a temporary name
    assert main(["data", "convert", *arguments]) == 0
    train = tmp_path / "out" / out.replace("{split}", "train")
    assert same(load_puzzles(TASK, str(train)), puzzles[:15])
