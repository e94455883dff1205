"""Puzzles from and to CSV files: what is read, what is refused and in which words."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from hrm_env.puzzles import Puzzles
from hrm_env.sources import csv_file, load_puzzles
from hrm_env.sources.csv_file import write_csv
from hrm_env.tasks.copy import Copy
from hrm_env.tasks.sudoku.task import Sudoku

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


def test_a_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(tmp_path, *(row(rating=str(number)) for number in range(7)), "", row(rating="x"), GOOD)
    monkeypatch.setattr(csv_file, "_PIECE", 100)  # three rows
    puzzles = load_puzzles(TASK, str(path), bad_rows="skip")
    assert (puzzles.rating.tolist(), puzzles.skipped) == ([0, 1, 2, 3, 4, 5, 6, 3], 1)
    assert [TASK.decode(tokens) for tokens in puzzles.inputs] == [QUESTION] * 7 + ["..43342121344312"]
    with pytest.raises(ValueError, match="line 10: rating: expected an integer"):
        load_puzzles(TASK, str(path))


@pytest.mark.parametrize(("bounds", "ratings"), [((2, None), [2, 3]), ((None, 1), [0, 1]), ((1, 2), [1, 2])])
def test_ratings_are_bounded_within_the_slice(
    tmp_path: Path, bounds: tuple[int | None, int | None], ratings: list[int]
) -> None:
    path = csv(tmp_path, *(row(rating=str(number)) for number in range(4)), row(rating="1"))
    lowest, highest = bounds
    puzzles = load_puzzles(TASK, str(path), rows=":-1", min_rating=lowest, max_rating=highest)
    assert puzzles.rating.tolist() == ratings


def test_bounded_ratings_need_a_legible_column(tmp_path: Path) -> None:
    unrated = csv(tmp_path, f"{QUESTION},{ANSWER}", header="question,answer", name="unrated.csv")
    with pytest.raises(ValueError, match="line 1: expected a header with question and answer and rating, found"):
        load_puzzles(TASK, str(unrated), max_rating=3)
    path = csv(tmp_path, row(answer=ANSWER[::-1], rating="9"), row(rating="hard"), row())
    with pytest.raises(ValueError, match="line 3: rating: expected an integer"):  # line 2 is not asked for
        load_puzzles(TASK, str(path), max_rating=3)


def test_puzzles_without_a_single_solution_are_bad_rows_where_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD, row("." * 16))
    assert len(load_puzzles(TASK, str(path))) == 2
    with pytest.raises(ValueError, match=r"line 3: question: expected a puzzle with one solution, found several$"):
        load_puzzles(TASK, str(path), unique=True)
    assert len(load_puzzles(TASK, str(path), unique=True, bad_rows="skip")) == 1
    with pytest.raises(ValueError, match=r"found none \(2 bad rows, the first in line 2: question: "):
        load_puzzles(TASK, str(csv(tmp_path, row("x"), row(QUESTION[:-1] + "x"))), unique=True, bad_rows="skip")


@pytest.mark.parametrize("name", ["new/puzzles.csv", "puzzles.csv.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    puzzles = load_puzzles(TASK, num_puzzles=30)
    write_csv(TASK, tmp_path / name, puzzles)
    again = load_puzzles(TASK, str(tmp_path / name))
    for column in ("inputs", "solution", "rating"):
        assert np.array_equal(getattr(again, column), getattr(puzzles, column))
    data = (tmp_path / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith("gz") else data).decode()
    first = f"sudoku:2x2,{TASK.decode(puzzles.inputs[0])},{TASK.decode(puzzles.solution[0])},{puzzles.rating[0]}"
    assert text.splitlines()[:2] == [HEADER, first]
    assert len(text.splitlines()) == 31


def test_characters_that_csv_quotes_come_back(tmp_path: Path) -> None:
    task = Copy(4, 3)
    task.alphabet = ', "'
    tokens = np.array([[1, 2, 3, 2], [2, 3, 3, 1]], dtype=np.uint8)
    write_csv(task, tmp_path / "quoted.csv", Puzzles(tokens, tokens))
    assert np.array_equal(load_puzzles(task, str(tmp_path / "quoted.csv")).inputs, tokens)


@pytest.mark.parametrize("name", ["puzzles.csv", "puzzles.csv.gz"])
def test_padding_cannot_be_written_and_the_old_file_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    tokens = np.array([[1] * 16, [1] * 15 + [0]], dtype=np.uint8)
    with pytest.raises(ValueError, match="expected tokens 1 to 5, for which sudoku:2x2 has characters, found 0"):
        write_csv(TASK, tmp_path / name, Puzzles(tokens, tokens))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


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


STRAY = {
    "at a field's start": row(QUESTION, f'"{ANSWER}'),
    "at the line's start": f'"{row()}',
    "within": row(QUESTION, ANSWER[:8] + '"' + ANSWER[9:]),
    "before the end": row(QUESTION, ANSWER, '"'),
}


@pytest.mark.parametrize("kind", STRAY)
def test_a_stray_quote_costs_its_own_row_and_no_other(tmp_path: Path, kind: str) -> None:
    path = csv(tmp_path, GOOD, STRAY[kind], *[GOOD] * 48)
    puzzles = load_puzzles(TASK, str(path), bad_rows="skip")
    assert (len(puzzles), puzzles.skipped) == (49, 1)
    with pytest.raises(ValueError, match=r"line 3: (expected 4 columns|answer: expected|rating: expected)"):
        load_puzzles(TASK, str(path))


def test_bad_files_are_one_error_each(tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.csv.gz"
    truncated.write_bytes(gzip.compress((HEADER + "\n" + (row() + "\n") * 50).encode())[:-20])
    cases = {
        csv(tmp_path, name="empty.csv"): "expected at least one puzzle, found none",
        csv(tmp_path, row()[:9], name="all_bad.csv"): "line 2: expected 4 columns, found 2",
        csv(tmp_path, "x" * 2**20, name="long.csv"): "line 2: expected CSV .a line longer than 1048576 characters",
        csv(tmp_path, header="a,b", name="b.csv"): "line 1: expected a header with question and answer, found 'a,b'",
        truncated: "expected a readable CSV file",
        tmp_path / "missing.csv": "expected a readable CSV file",
        tmp_path: "expected a folder with train/dataset.json .*, or a CSV file, found a folder with neither",
    }
    for path, message in cases.items():
        with pytest.raises(ValueError, match=message) as caught:
            load_puzzles(TASK, str(path))
        assert str(path) in str(caught.value)


def test_bad_csv_options(tmp_path: Path) -> None:
    path = str(csv(tmp_path, GOOD))
    for rows in ("all", "5", "1:2:3:4", "::0", "::-1"):
        with pytest.raises(ValueError, match=f"rows: expected a slice such as ':-5000', found '{rows}'"):
            load_puzzles(TASK, path, rows=rows)
    with pytest.raises(ValueError, match="expected at least one puzzle, found none"):
        load_puzzles(TASK, path, rows="1:")
    for option, wanted in (
        ({"rows": 5}, "rows: expected a slice such as ':-5000', found 5"),
        ({"bad_rows": "ignore"}, "bad_rows: expected one of raise, skip, found 'ignore'"),
        ({"min_rating": "3"}, "min_rating: expected an integer, found '3'"),
        ({"max_rating": 2.5}, r"max_rating: expected an integer, found 2\.5"),
        ({"unique": "yes"}, "unique: expected True or False, found 'yes'"),
    ):
        for source in (path, "hub:nobody/nothing"):  # which is not even asked
            with pytest.raises(ValueError, match=f"^{wanted}$"):
                load_puzzles(TASK, source, **option)
    with pytest.raises(
        TypeError, match=r"the source '.*' got an unexpected keyword argument 'clues'; expected one of rows, bad"
    ):
        load_puzzles(TASK, path, clues=4)


@pytest.mark.parametrize(
    "name", ["medium", "sudoku_extreme_1k_real", "test_easy", "test_hard", "train_1k", "train_hard"]
)
def test_real_sudoku_files_load_and_pass_every_check(shared_data: Path, name: str) -> None:
    task = Sudoku(3, 3)
    puzzles = load_puzzles(task, str(shared_data / "sudoku" / f"{name}.csv.gz"), rows=":3000")
    assert len(puzzles) >= 1000
    for tokens in puzzles.inputs[:50]:
        assert np.array_equal(task.encode(task.decode(tokens)), tokens)
