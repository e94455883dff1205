"""Puzzles from CSV files with the columns ``source,question,answer,rating``, plain or gzip. Every row is checked."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from hrm_env.puzzles import Puzzles, Tokens
from hrm_env.task import PuzzleTask

BadRows = Literal["raise", "skip"]
Row = tuple[int, list[str]]  # line number, fields


def read_csv(task: PuzzleTask, path: str | Path, *, rows: str | None = None, bad_rows: BadRows = "raise") -> Puzzles:
    """Reads and checks a CSV file.

    Args:
        task: Says how many characters of which alphabet a puzzle has, and what solves it.
        path: The file.
        rows: A slice of the data rows, such as ``":-5000"``.
        bad_rows: ``"raise"`` at the first bad row, or ``"skip"`` and count them in `Puzzles.skipped`.

    Raises:
        ValueError: Names file, line, expectation and finding.
    """
    if bad_rows not in get_args(BadRows):
        raise ValueError(f"bad_rows: expected one of {get_args(BadRows)}, found {bad_rows!r}")
    columns, table = _parse(Path(path))
    table = table[_slice(rows)]
    good = _good_rows(task, columns, table)
    if bad_rows == "raise" and not good.all():
        line, fields = table[int(np.argmin(good))]
        raise ValueError(f"{path}, line {line}: {_problem(task, columns, fields)}")
    kept = [fields for (_, fields), ok in zip(table, good, strict=True) if ok]
    if not kept:
        raise ValueError(f"{path}: expected at least one puzzle, found none ({len(table)} bad rows)")
    question, answer, rating = columns
    return Puzzles(
        inputs=_encode(task, [fields[question] for fields in kept]),
        solution=_encode(task, [fields[answer] for fields in kept]),
        rating=np.array([0 if rating is None else int(fields[rating]) for fields in kept], dtype=np.int32),
        skipped=len(table) - len(kept),
    )


Columns = tuple[int, int, int | None]  # positions of question, answer and rating


def _parse(path: Path) -> tuple[Columns, list[Row]]:
    """The columns' positions and the data rows with their line numbers."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected a readable CSV file, plain or gzip ({error})") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(reader, [])
        table = [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: expected CSV ({error})") from error
    if not {"question", "answer"} <= set(header):
        raise ValueError(f"{path}, line 1: expected a header with question and answer, found {','.join(header)[:80]!r}")
    rating = header.index("rating") if "rating" in header else None
    return (header.index("question"), header.index("answer"), rating), table


def _slice(rows: str | None) -> slice:
    try:
        parts = [int(part) if part else None for part in (rows or ":").split(":")]
        if not 2 <= len(parts) <= 3:
            raise ValueError("a slice has one or two colons")
        found = slice(*parts)
        found.indices(0)  # refuses a step of 0
        return found
    except ValueError as error:
        raise ValueError(f"rows: expected a slice such as ':-5000', found {rows!r} ({error})") from error


def _encode(task: PuzzleTask, texts: Sequence[str]) -> Tokens:
    """Tokens ``(N, L)`` of texts that all have length L; 255 for a character outside the alphabet."""
    letters = [ord(char) for char in task.alphabet]
    table = np.full(max(letters) + 2, 255, dtype=np.uint8)
    table[letters] = np.arange(1, len(letters) + 1)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4")
    tokens: Tokens = table[np.minimum(codes, max(letters) + 1)]
    return tokens.reshape(len(texts), task.spec.seq_len)


def _good_rows(task: PuzzleTask, columns: Columns, table: Sequence[Row]) -> npt.NDArray[np.bool_]:
    """Which rows are well formed and solved, ``(N,)`` bool."""
    question, answer, rating = columns
    length, needed = task.spec.seq_len, max(question, answer, -1 if rating is None else rating) + 1
    good = np.array(
        [
            len(fields) >= needed
            and len(fields[question]) == length == len(fields[answer])
            and (rating is None or _is_integer(fields[rating]))
            for _, fields in table
        ],
        dtype=np.bool_,
    )
    candidates = np.flatnonzero(good).tolist()
    inputs = _encode(task, [table[row][1][question] for row in candidates])
    solution = _encode(task, [table[row][1][answer] for row in candidates])
    known = ((inputs != 255) & (solution != 255)).all(axis=1)
    solved = task.check(torch.as_tensor(inputs).long(), torch.as_tensor(solution).long()).numpy()
    good[candidates] = known & solved
    return good


def _problem(task: PuzzleTask, columns: Columns, fields: list[str]) -> str:
    """What is wrong with a bad row, in one sentence: expectation and finding."""
    question, answer, rating = columns
    needed = max(question, answer, -1 if rating is None else rating) + 1
    if len(fields) < needed:
        return f"expected {needed} columns, found {len(fields)}"
    for name, column in (("question", question), ("answer", answer)):
        try:
            task.encode(fields[column])
        except ValueError as error:
            return f"{name}: {error}"
    if rating is not None and not _is_integer(fields[rating]):
        return f"rating: expected an integer of at most 9 digits, found {fields[rating]!r}"
    asked, answered = fields[question], fields[answer]
    changed = next((i for i, (q, a) in enumerate(zip(asked, answered, strict=True)) if q not in (a, task.blank)), None)
    if changed is not None:
        return f"answer: expected the given {asked[changed]!r} at cell {changed + 1}, found {answered[changed]!r}"
    return f"answer: expected a solution by the rules of {task.spec.name}, found {answered!r}, which breaks them"


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text) is not None  # fits int32
