"""Where puzzles come from: the generated splits with their cache, and CSV files."""

import gzip
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import hrm_env
from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles
from hrm_env.tasks import make_task
from hrm_env.tasks.copy import Copy
from hrm_env.tasks.sudoku import Sudoku

TASK = Sudoku(2, 2)
HEADER = "source,question,answer,rating"
QUESTION, ANSWER = "1...3.........1.", "1243342121344312"


def csv(folder: Path, *rows: str, header: str = HEADER, name: str = "puzzles.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def row(question: str = QUESTION, answer: str = ANSWER, rating: str = "3") -> str:
    return f"made up,{question},{answer},{rating}"


GOOD = row("..43342121344312", "1243342121344312")


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
        TypeError, match=r"sudoku:2x2: unknown option 'colour'; .* of the source 'generated' are: .*clues"
    ):
        load_puzzles(TASK, colour="red")
    with pytest.raises(ValueError, match=r"split: expected one of .*found 'tset'"):
        load_puzzles(TASK, split="tset")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_puzzles: expected at least 1, found 0"):
        load_puzzles(TASK, num_puzzles=0)


@pytest.mark.parametrize("compress", [False, True])
def test_csv_plain_and_gzip(tmp_path: Path, compress: bool) -> None:
    path = csv(tmp_path, row(QUESTION, rating="7"), GOOD)
    if compress:
        path.write_bytes(gzip.compress(path.read_bytes()))
    puzzles = load_puzzles(TASK, str(path))
    assert [TASK.decode(tokens) for tokens in puzzles.inputs] == [QUESTION, "..43342121344312"]
    assert TASK.decode(puzzles.solution[0]) == ANSWER
    assert puzzles.rating.tolist() == [7, 3]


def test_csv_columns_in_any_order_and_rating_optional(tmp_path: Path) -> None:
    path = csv(tmp_path, f"{ANSWER},{QUESTION}", header="answer,question")
    puzzles = load_puzzles(TASK, str(path))
    assert (TASK.decode(puzzles.inputs[0]), puzzles.rating.tolist()) == (QUESTION, [0])


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "windows.csv"
    path.write_text(f"\ufeffquestion,answer\r\n\r\n{QUESTION},{ANSWER}\r\n", newline="")
    assert len(load_puzzles(TASK, str(path))) == 1


def test_csv_of_a_task_with_letters_of_its_own(tmp_path: Path) -> None:
    task = Copy(4, 3)
    task.alphabet = "?é→"
    puzzles = load_puzzles(task, str(csv(tmp_path, "?é→?,?é→?", header="question,answer")))
    assert puzzles.inputs.tolist() == [[1, 2, 3, 1]]
    with pytest.raises(ValueError, match=r"line 2: question: expected characters of '\?é→', found 'ü'"):
        load_puzzles(task, str(csv(tmp_path, "üé→?,üé→?", header="question,answer")))


@pytest.mark.parametrize(("rows", "ratings"), [(":", [0, 1, 2, 3]), ("-1:", [3]), (":-1", [0, 1, 2]), ("::2", [0, 2])])
def test_csv_rows_are_sliced(tmp_path: Path, rows: str, ratings: list[int]) -> None:
    path = csv(tmp_path, *(row(rating=str(number)) for number in range(4)))
    assert load_puzzles(TASK, str(path), rows=rows).rating.tolist() == ratings


BAD_ROWS = {
    "short": (row(QUESTION[:-1]), "question: expected 16 characters, found 15"),
    "character": (row(QUESTION.replace("3", "x")), r"question: expected characters of '.1234', found 'x'"),
    "unicode": (row(QUESTION.replace("3", "３")), r"question: expected characters of '.1234', found '３'"),
    "long answer": (row(answer=ANSWER + "1"), "answer: expected 16 characters, found 17"),
    "changed given": (row(answer="2143342112344312"), "answer: expected the given '1' at cell 1, found '2'"),
    "broken rules": (row(answer="1423" + ANSWER[4:]), "answer: expected a solution by the rules of sudoku:2x2, found"),
    "unfinished": (row(answer=ANSWER[:-1] + "."), "answer: expected a solution by the rules of sudoku:2x2, found"),
    "rating": (row(rating="hard"), "rating: expected an integer of at most 9 digits, found 'hard'"),
    "rating's sign": (row(rating="--5"), "rating: expected an integer of at most 9 digits, found '--5'"),
    "rating's size": (row(rating="9" * 11), "rating: expected an integer of at most 9 digits, found '99999999999'"),
    "columns": (f"made up,{QUESTION}", "expected 4 columns, found 2"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_one_error_with_file_line_expectation_and_finding(tmp_path: Path, kind: str) -> None:
    bad, message = BAD_ROWS[kind]
    path = csv(tmp_path, GOOD, bad, GOOD)
    with pytest.raises(ValueError, match=message) as caught:
        load_puzzles(TASK, str(path))
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert "\n" not in str(caught.value)
    skipped = load_puzzles(TASK, str(path), bad_rows="skip")
    assert (len(skipped), skipped.skipped) == (2, 1)


def test_bad_files_are_one_error_each(tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.csv.gz"
    truncated.write_bytes(gzip.compress((HEADER + "\n" + (row() + "\n") * 50).encode())[:-20])
    cases = {
        csv(tmp_path, name="empty.csv"): "expected at least one puzzle, found none",
        csv(tmp_path, row()[:9], name="all_bad.csv"): "line 2: expected 4 columns, found 2",
        csv(tmp_path, header="a,b", name="b.csv"): "line 1: expected a header with question and answer, found 'a,b'",
        truncated: "expected a readable CSV file",
        tmp_path / "missing.csv": "expected a readable CSV file",
        tmp_path: "expected a readable CSV file",
    }
    for path, message in cases.items():
        with pytest.raises(ValueError, match=message) as caught:
            load_puzzles(TASK, str(path))
        assert str(path) in str(caught.value)


def test_bad_csv_options(tmp_path: Path) -> None:
    path = str(csv(tmp_path, GOOD))
    for rows in ("all", "5", "1:2:3:4", "::0"):
        with pytest.raises(ValueError, match=f"rows: expected a slice such as ':-5000', found '{rows}'"):
            load_puzzles(TASK, path, rows=rows)
    with pytest.raises(ValueError, match="expected at least one puzzle, found none"):
        load_puzzles(TASK, path, rows="1:")
    with pytest.raises(ValueError, match=r"bad_rows: expected one of .*found 'ignore'"):
        load_puzzles(TASK, path, bad_rows="ignore")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"unknown option 'clues'; the options of the source '.*' are: rows, bad_rows"):
        load_puzzles(TASK, path, clues=4)


def test_puzzles_in_memory_are_a_source() -> None:
    puzzles = load_puzzles(TASK, num_puzzles=10)
    assert isinstance(puzzles[2:5], Puzzles)
    assert np.array_equal(load_puzzles(TASK, puzzles[2:5]).inputs, puzzles.inputs[2:5])
    with pytest.raises(TypeError, match="unknown option 'colour'; the options of puzzles in memory are: none"):
        load_puzzles(TASK, puzzles, colour="red")
    with pytest.raises(ValueError, match=r"source: expected puzzles of 36 cells \(sudoku:2x3\), found 16"):
        load_puzzles(Sudoku(2, 3), puzzles)


@pytest.mark.parametrize(
    "name", ["medium", "sudoku_extreme_1k_real", "test_easy", "test_hard", "train_1k", "train_hard"]
)
def test_real_sudoku_files_load_and_pass_every_check(shared_data: Path, name: str) -> None:
    task = Sudoku(3, 3)
    puzzles = load_puzzles(task, str(shared_data / "sudoku" / f"{name}.csv.gz"), rows=":3000")
    assert len(puzzles) >= 1000
    for tokens in puzzles.inputs[:50]:
        assert np.array_equal(task.encode(task.decode(tokens)), tokens)
