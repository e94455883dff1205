"""Data sets of the hub, from a stand-in of its cache and from a server that answers as the hub does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from gymnasium.error import DependencyNotInstalled
from local_hub import COMMIT, hub_cache, serving

from hrm_env.puzzles import Puzzles
from hrm_env.sources import load_puzzles, options_of
from hrm_env.sources.csv_file import write_csv
from hrm_env.tasks.sudoku.task import Sudoku
from train.__main__ import main

TASK = Sudoku(2, 2)
OLDER = "b" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty."""
    return hub_cache(tmp_path, monkeypatch)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def puzzles() -> Puzzles:
    return load_puzzles(TASK, num_puzzles=30)


def remember(cache: Path, file: str, puzzles: Puzzles, revision: str = "main", commit: str = COMMIT) -> None:
    """Lays a file into the cache as the hub's library does."""
    repository = cache / "datasets--owner--name"
    write_csv(TASK, repository / "snapshots" / commit / file, puzzles)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / revision).write_text(commit)


def texts(puzzles: Puzzles) -> list[str]:
    return [TASK.decode(tokens) for tokens in puzzles.inputs]


@pytest.mark.usefixtures("offline")
def test_both_splits_are_read_from_the_cache(cache: Path, puzzles: Puzzles) -> None:
    remember(cache, "train.csv", puzzles[:20])
    remember(cache, "test.csv", puzzles[20:])
    assert texts(load_puzzles(TASK, "hub:owner/name")) == texts(puzzles[:20])
    assert texts(load_puzzles(TASK, "hub:owner/name", split="test")) == texts(puzzles[20:])
    assert texts(load_puzzles(TASK, "hub:owner/name", split="test", rows="-3:")) == texts(puzzles[-3:])


@pytest.mark.usefixtures("offline")
def test_a_revision_is_a_branch_a_tag_or_a_commit(cache: Path, puzzles: Puzzles) -> None:
    remember(cache, "train.csv", puzzles[:2])
    remember(cache, "train.csv", puzzles[2:7], "v1", OLDER)
    for revision, count in (("", 2), ("@main", 2), ("@v1", 5), (f"@{OLDER}", 5)):
        assert len(load_puzzles(TASK, f"hub:owner/name{revision}")) == count


@pytest.mark.usefixtures("offline")
def test_the_options_are_those_of_csv_and_the_split(cache: Path, puzzles: Puzzles) -> None:
    remember(cache, "train.csv", puzzles)
    (path,) = cache.rglob("train.csv")
    assert set(options_of(TASK, "hub:owner/name")) == {"split", *options_of(TASK, str(path))}
    with path.open("a") as file:
        file.write("made up,short,1234,0\n")
    with pytest.raises(ValueError, match=r"train.csv, line 32: question: expected 16 characters, found 5"):
        load_puzzles(TASK, "hub:owner/name")
    assert load_puzzles(TASK, "hub:owner/name", bad_rows="skip").skipped == 1
    with pytest.raises(ValueError, match=r"split: expected one of .* found 'validation'"):
        load_puzzles(TASK, "hub:owner/name", split="validation")


@pytest.mark.usefixtures("offline")
def test_a_data_set_becomes_a_built_folder(cache: Path, puzzles: Puzzles, tmp_path: Path) -> None:
    remember(cache, "train.csv", puzzles[:20])
    remember(cache, "test.csv", puzzles[20:])
    options = ["--env", "HRM-Sudoku4x4-v0", "--subsample", "5", "--augmentations", "2"]
    assert main(["data", "convert", "hub:owner/name", f"{tmp_path}/built", *options]) == 0
    train, test = (load_puzzles(TASK, f"{tmp_path}/built", split=split) for split in ("train", "test"))
    assert train.group.tolist() == [number for number in range(5) for _ in range(3)]
    assert set(texts(train[::3])) <= set(texts(puzzles[:20]))
    assert texts(test) == texts(puzzles[20:])


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("owner/other", "neither a connection to the hub nor a copy in its cache"),
        ("owner/name@v2", "neither a connection to the hub nor a copy in its cache"),
        ("far/too/many", ".*repo.*'far/too/many'.*"),
        ("", ".*[Rr]epo id.*"),
    ],
)
def test_what_is_not_there_is_one_sentence(cache: Path, puzzles: Puzzles, name: str, problem: str) -> None:
    remember(cache, "train.csv", puzzles)
    with pytest.raises(ValueError, match=f"hub:{name}: expected a dataset that holds train.csv, found {problem}") as e:
        load_puzzles(TASK, f"hub:{name}")
    assert "\n" not in str(e.value)


def test_without_the_extra_one_reads_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DependencyNotInstalled, match=r"pip install 'hrm-gym\[hub\]'"):
        load_puzzles(TASK, "hub:owner/name")


def served(puzzles: Puzzles, folder: Path) -> dict[str, dict[str, bytes]]:
    """The repositories of a hub that holds these puzzles."""
    write_csv(TASK, folder / "served.csv", puzzles)
    return {"datasets/owner/name": {"train.csv": (folder / "served.csv").read_bytes()}}


def test_a_download_is_kept_for_later(
    cache: Path, puzzles: Puzzles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, served(puzzles, tmp_path)) as hub:
        assert texts(load_puzzles(TASK, "hub:owner/name")) == texts(puzzles)
        assert texts(load_puzzles(TASK, "hub:owner/name")) == texts(puzzles)
        assert hub.downloads == 1
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert texts(load_puzzles(TASK, "hub:owner/name")) == texts(puzzles)
    assert [path.parent.name for path in cache.rglob("train.csv")] == [COMMIT]


@pytest.mark.usefixtures("cache")
def test_what_the_hub_does_not_have_is_one_sentence(
    puzzles: Puzzles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = {
        ("owner/other", "train"): "none of this name, or one that asks for a token",
        ("owner/name@v2", "train"): "no such revision",
        ("owner/name", "test"): "no such file in it",
    }
    with serving(monkeypatch, served(puzzles, tmp_path)):
        for (name, split), problem in cases.items():
            with pytest.raises(ValueError, match=f"^hub:{name}: expected .* holds {split}.csv, found {problem}$"):
                load_puzzles(TASK, f"hub:{name}", split=split)


def test_a_download_that_breaks_off_leaves_nothing_to_be_read(
    cache: Path, puzzles: Puzzles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, served(puzzles, tmp_path)) as hub:
        hub.broken = True
        with pytest.raises(ValueError, match=r"hub:owner/name: expected a dataset that holds train\.csv, found "):
            load_puzzles(TASK, "hub:owner/name")
        assert hub.downloads > 1
        assert not [path for path in cache.rglob("*") if path.is_file() and b"question" in path.read_bytes()]
        hub.broken = False
        assert texts(load_puzzles(TASK, "hub:owner/name")) == texts(puzzles)
