"""The agents of the zoo are as good as docs/zoo.md says, and the command makes its table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import pytest
from paths import ROOT

from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.checkpoints.names import existing_checkpoint, zoo_folder, zoo_names
from train.__main__ import main
from train.zoo import BEGIN, END, POLICIES, row

PAGE = ROOT / "docs" / "zoo.md"
SLICE = 60
_CELL = re.compile(r"(?P<solved>[\d.]+)% \((?P<low>[\d.]+)–(?P<high>[\d.]+)\) in (?P<segments>[\d.]+)")


@dataclass(frozen=True)
class Cell:
    solved: float
    low: float
    high: float
    segments: float


def cells_of(line: str) -> tuple[str, int, dict[str, Cell | None]]:
    """A row of the table: the agent, its number of puzzles, and what each policy reaches."""
    name, puzzles, *cells = line.strip("| \n").split(" | ")
    found = [_CELL.fullmatch(cell) for cell in cells]
    assert [cell for cell, match in zip(cells, found, strict=True) if match is None] == ["–"] * found.count(None)
    read = [match and Cell(*(float(number) for number in match.groups())) for match in found]
    return name, int(puzzles.replace(",", "")), dict(zip(POLICIES, read, strict=True))


def table() -> dict[str, dict[str, Cell | None]]:
    """The table of the page."""
    head, line, *rows = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()
    assert head == f"| agent | puzzles | {' | '.join(POLICIES)} |"
    assert line.startswith("|---|")
    return {name: cells for name, _, cells in map(cells_of, rows)}


def test_the_page_has_every_agent() -> None:
    assert list(table()) == zoo_names()
    assert zoo_folder() == ROOT / "checkpoints"


@pytest.mark.parametrize("name", zoo_names())
def test_a_slice_agrees_with_the_table(name: str) -> None:
    _, puzzles, found = cells_of(row(name, SLICE))
    assert puzzles == SLICE
    for policy, written in table()[name].items():
        cell = found[policy]
        assert (cell is None) == (written is None)
        if cell is not None and written is not None:
            share = written.solved / 100
            assert abs(cell.solved / 100 - share) <= 4 * sqrt(share * (1 - share) / SLICE) + 0.02, policy
            assert written.low <= written.solved <= written.high
            assert abs(cell.segments - written.segments) <= 0.3 * written.segments, policy


@pytest.mark.parametrize("name", zoo_names())
def test_an_agent_is_a_release_with_a_card(name: str) -> None:
    file = existing_checkpoint(f"zoo:{name}")
    assert set(read_checkpoint(file)[1]["optimizer"]) == set()
    card = file.with_name("README.md").read_text()
    for part in ("license:", "model-index:", "data", "command", "commit", "seed", "machine", "hours", "95 % interval"):
        assert part in card
    assert "not recorded" not in card
    assert "| new-puzzles | 5,000 |" in card
    assert f"--checkpoint zoo:{name}" in card
    assert "## Limits" in card
    assert "## Licence" in card


def test_a_table_is_written_between_the_lines_of_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    assert main(["zoo", "sudoku4x4", "--puzzles=3", f"--page={page}"]) == 0
    before, begin, rest = page.read_text().partition(BEGIN)
    written, end, after = rest.partition(END)
    assert (before, begin, end, after) == ("before\n", BEGIN, END, "after\n")
    assert written.splitlines()[2] + "\n" == capsys.readouterr().out
    name, puzzles, cells = cells_of(written.splitlines()[2])
    assert (name, puzzles, set(cells)) == ("sudoku4x4", 3, set(POLICIES))


def test_a_page_without_the_lines_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    assert main(["zoo", f"--page={page}"]) == 2
    assert capsys.readouterr().err.startswith("error: --page: expected a page with the lines")
    assert page.read_text() == "nothing\n"
    assert main(["zoo", "sudoku4"]) == 2
    assert "did you mean 'zoo:sudoku4x4'?" in capsys.readouterr().err


def test_puzzles_of_a_file_go_before_generated_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sudoku4x4"
    folder.mkdir()
    (folder / "model.zip").write_bytes(existing_checkpoint("zoo:sudoku4x4").read_bytes())
    rows = ["source,question,answer,rating", *["t,12..34..........,1234341221434321,0"] * 5]
    (folder / "test.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr("hrm_agent.checkpoints.names.zoo_folder", lambda: tmp_path)
    assert main(["zoo", "--puzzles=3"]) == 0
    assert capsys.readouterr().out.startswith("| sudoku4x4 | 3 | ")
