"""Reads and writes CSV files with the columns ``source,question,answer,rating``, plain or gzip."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args

import numpy as np
from tqdm import tqdm

from hrm_env.checks import check_choice, check_flag, check_integer, reason, shortened
from hrm_env.files import atomic_write
from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.sources.csv_rows import Row, RowReader
from hrm_env.sources.rows import row_slice
from hrm_env.sources.unpacked import Unpacked
from hrm_env.task import PuzzleTask

BadRows = Literal["raise", "skip"]
_LONGEST_LINE = 2**20
_PIECE = 2**20  # characters of the lines held at a time


def read_csv(
    task: PuzzleTask,
    path: str | Path,
    *,
    rows: str | None = None,
    bad_rows: BadRows = "raise",
    min_rating: int | None = None,
    max_rating: int | None = None,
    unique: bool = False,
) -> Puzzles:
    """Reads and checks a CSV file, some thousand rows at a time.

    Args:
        task: The puzzle family; it defines length, alphabet and solutions.
        path: Path of the file.
        rows: Slice of the data rows, such as ``":-5000"``.
        bad_rows: ``"raise"`` at the first bad row, or ``"skip"`` bad rows and count them in `Puzzles.skipped`.
        min_rating: Smallest rating; rows of the slice below it are left out.
        max_rating: Largest rating; rows of the slice above it are left out.
        unique: Treat a puzzle without exactly one solution as a bad row.

    Raises:
        ValueError: The file or a row is invalid; the message names file, line, what was expected and what was found.
    """
    check_csv_options(rows, bad_rows, min_rating, max_rating, unique)
    path, wanted = Path(path), row_slice(rows)
    bounded = min_rating is not None or max_rating is not None
    table = _rows(path)
    reader = _row_reader(task, path, next(table).fields, bounded, unique)
    selected: Iterator[Row] = islice(table, *_from_the_start(wanted, path))
    if bounded:
        selected = reader.rated_between(selected, min_rating, max_rating)
    columns = {name: bytearray() for name in ("inputs", "solution", "rating")}  # grown in place, without a second copy
    skipped, first_problem = 0, ""
    for piece in _pieces(selected):
        puzzles, good = reader.read(piece)
        if not (first_problem or good.all()):
            bad = piece[int(np.argmin(good))]
            first_problem = f"line {bad.line}: {reader.problem(bad)}"
            if bad_rows == "raise":
                raise ValueError(f"{path}, {first_problem}")
        skipped += len(piece) - len(puzzles)
        for name, column in columns.items():
            column.extend(getattr(puzzles, name).tobytes())
    if not columns["rating"]:
        found = f"{skipped} bad rows, the first in {first_problem}" if skipped else "no rows"
        raise ValueError(f"{path}: expected at least one puzzle, found none ({found})")
    inputs, solution = (np.frombuffer(columns[name], dtype=np.uint8) for name in ("inputs", "solution"))
    shape = (-1, task.spec.seq_len)
    rating = np.frombuffer(columns["rating"], dtype=np.int32)
    return Puzzles(inputs.reshape(shape), solution.reshape(shape), rating, skipped=skipped)


def check_csv_options(rows: str | None, bad_rows: str, lowest: int | None, highest: int | None, unique: bool) -> None:
    """Refuses invalid options of `read_csv` before a file is opened.

    Raises:
        ValueError: An option is invalid; the message names it, what was expected and what was found.
    """
    row_slice(rows)
    check_choice("bad_rows", bad_rows, get_args(BadRows))
    for name, bound in (("min_rating", lowest), ("max_rating", highest)):
        if bound is not None:
            check_integer(name, bound)
    check_flag("unique", unique)


def write_csv(task: PuzzleTask, path: str | Path, puzzles: Puzzles) -> None:
    """Writes puzzles in the form that `read_csv` reads. Puzzle ids, groups and names are not kept.

    Args:
        task: The puzzle family; its alphabet spells the puzzles, and its name fills the column ``source``.
        path: Path of the file; gzip if the name ends in ``.gz``.
        puzzles: The puzzles.

    Raises:
        ValueError: A token has no character.
        OSError: The file cannot be written; an existing file stays unchanged.
    """
    path = Path(path)
    with atomic_write(path) as file:
        packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.suffix == ".gz" else nullcontext(file)
        with packed as binary:
            text = io.TextIOWrapper(cast(BinaryIO, binary), "utf-8", newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(("source", "question", "answer", "rating"))
            for start in range(0, len(puzzles), 4096):
                part = puzzles[start : start + 4096]
                spelled = (_spell(task, path, tokens) for tokens in (part.inputs, part.solution))
                writer.writerows(zip(repeat(task.spec.name), *spelled, part.rating.tolist()))
            text.detach()  # also flushes; `atomic_write` closes the file


def _spell(task: PuzzleTask, path: Path, tokens: Tokens) -> list[str]:
    """Returns the texts of tokens ``(N, L)``."""
    odd = tokens[(tokens < 1) | (tokens > len(task.alphabet))]
    if odd.size:
        wanted = f"tokens 1 to {len(task.alphabet)}, for which {task.spec.name} has characters"
        raise ValueError(f"{path}: expected {wanted}, found {odd[0]}")
    texts: list[str] = np.array(list(task.alphabet))[tokens - 1].view(f"<U{tokens.shape[1]}").ravel().tolist()
    return texts


def _rows(path: Path) -> Iterator[Row]:
    """Yields the header, then all rows that are not empty. Each line is a row, so a stray quote ends with its line."""
    try:
        with Unpacked(path) as file, _progress(path, file.size) as bar:
            text = io.TextIOWrapper(io.BufferedReader(file), "utf-8-sig", "replace", newline="")
            for number, line in enumerate(chain([text.readline(_LONGEST_LINE)], _lines(text)), start=1):
                if len(line) == _LONGEST_LINE:
                    raise csv.Error(f"a line longer than {_LONGEST_LINE} characters")
                if number == 1 or line.strip("\r\n"):
                    yield Row(number, next(csv.reader([line])), len(line))
                if number % 10_000 == 0:
                    bar.update(file.position - bar.n)
    except OSError as error:
        raise ValueError(f"{path}: expected a readable CSV file, plain or gzip ({reason(error)})") from error
    except csv.Error as error:
        raise ValueError(f"{path}, line {number}: expected CSV ({reason(error)})") from error


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Yields the lines, each cut after `_LONGEST_LINE` characters."""
    return iter(partial(text.readline, _LONGEST_LINE), "")


def _pieces(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yields the rows in pieces of about `_PIECE` characters."""
    piece: list[Row] = []
    held = 0
    for row in rows:
        piece.append(row)
        held += row.size
        if held >= _PIECE:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece


def _progress(path: Path, size: int) -> tqdm:
    return tqdm(total=size, desc=f"reading {path.name}", unit="B", unit_scale=True, delay=1, leave=False)


def _row_reader(task: PuzzleTask, path: Path, header: list[str], bounded: bool, unique: bool) -> RowReader:
    needed = ["question", "answer"] + ["rating"] * bounded
    if not set(needed) <= set(header):
        found = shortened(",".join(header[:80]))
        raise ValueError(f"{path}, line 1: expected a header with {' and '.join(needed)}, found {found}")
    rating = header.index("rating") if "rating" in header else None
    return RowReader(task, header.index("question"), header.index("answer"), rating, unique)


def _from_the_start(wanted: slice, path: Path) -> tuple[int | None, int | None, int | None]:
    """Returns the slice without negative numbers; counts the rows if there are any."""
    if min(wanted.start or 0, wanted.stop or 0) < 0:
        count = sum(1 for _ in _rows(path)) - 1
        return wanted.indices(count)
    return wanted.start, wanted.stop, wanted.step
