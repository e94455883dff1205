"""Hostile and broken files: every door refuses every one in one sentence, runs nothing and takes no memory for it."""

from __future__ import annotations

import io
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from doors import DOORS, SUDOKU, refusal
from hostile import HUGE, bomb, entries, little_memory, payloads, written
from torch import Tensor

from hrm_agent.checkpoints.reference_checkpoint import read_reference
from hrm_env.sources.folder import write_folder

TRAP = Path("executed")
PAYLOADS = payloads(TRAP)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of puzzles, for tests to copy."""
    folder = tmp_path_factory.mktemp("built") / "folder"
    write_folder(SUDOKU, folder, {"train": SUDOKU.generate(6, np.random.default_rng(0))})
    return folder


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_door_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Path, door: str, payload: str) -> None:
    monkeypatch.chdir(tmp_path)
    name, open_it = DOORS[door]
    path = shutil.copytree(built, tmp_path / "inside") / name
    path.write_bytes(PAYLOADS[payload])
    before = sorted(tmp_path.rglob("*"))
    refusal(open_it, path)
    assert sorted(tmp_path.rglob("*")) == before


IRREGULAR: dict[str, Callable[[Path], Any]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: (path / "inside").mkdir(parents=True),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", IRREGULAR)
def test_no_door_waits_for_what_is_no_file(tmp_path: Path, built: Path, kind: str, door: str) -> None:
    name, open_it = DOORS[door]
    path = shutil.copytree(built, tmp_path / "inside") / name
    path.unlink(missing_ok=True)
    IRREGULAR[kind](path)
    refusal(open_it, path)


def test_the_payloads_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pickle, protocol 0", "pickle, protocol 2", "pickle, protocol 5"):
        pickle.loads(PAYLOADS[name])
        TRAP.unlink()  # it was made
    for name in ("torch.save", "torch.save of old"):
        torch.load(io.BytesIO(PAYLOADS[name]), weights_only=False)
        TRAP.unlink()
    np.load(io.BytesIO(PAYLOADS["array of objects"]), allow_pickle=True)
    TRAP.unlink()
    with zipfile.ZipFile(io.BytesIO(archive_of(("x", bomb(), zipfile.ZIP_DEFLATED, HUGE)))) as packed:
        assert sum(len(packed.open("x").read(1 << 20)) for _ in range(3)) == 3 << 20
    with pytest.raises(AssertionError), little_memory():
        bytearray(400 << 20).count(1)


def archive_of(*files: tuple[str, bytes, int, int]) -> bytes:
    return b"".join(entries(files))


SPREAD = "found a file that is damaged or holds more than tensors by name"
LARGE: dict[str, tuple[str, Callable[[io.BytesIO], Any]]] = {
    "the embedding of 10^9 tokens": ("step_10", lambda file: torch.save(one_place(10**9), file)),
    "many names for one": ("step_10", lambda file: torch.save(dict.fromkeys("abcdef", torch.zeros(99)), file)),
    "of another sign": ("step_10", lambda file: torch.save({"inner.H_init": torch._neg_view(torch.ones(9))}, file)),
    "sparse": ("step_10", lambda file: torch.save({"inner.H_init": torch.eye(2).to_sparse()}, file)),
    "without storage": ("step_10", lambda file: torch.save({"inner.H_init": torch.zeros(9, device="meta")}, file)),
}


def one_place(count: int) -> dict[str, Tensor]:
    """Tensors of the reference code, all of whose elements lie at one place."""
    return {"inner.embed_tokens.embedding_weight": torch.zeros(1, 1).expand(count, 16), "inner.H_init": torch.zeros(16)}


@pytest.mark.parametrize(("name", "write"), LARGE.values(), ids=LARGE)
def test_tensors_that_the_file_does_not_hold(tmp_path: Path, name: str, write: Callable[[io.BytesIO], Any]) -> None:
    path = tmp_path / name
    path.write_bytes(written(write))
    assert re.search(SPREAD, refusal(read_reference, path))
