"""Writing files and folders: whole or not at all, with the mode that the umask says; and where the cache lies."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hrm_env.files import atomic_folder, atomic_write
from hrm_env.sources.generated import cache_folder


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    mask: int = request.param
    before = os.umask(mask)
    yield mask
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_folders_have_the_mode_of_the_umask(tmp_path: Path, umask: int) -> None:
    with atomic_write(tmp_path / "file") as file:
        file.write(b"x")
    with atomic_folder(tmp_path / "folder") as folder:
        np.save(folder / "array.npy", np.zeros(1))
    assert mode(tmp_path / "file") == mode(tmp_path / "folder" / "array.npy") == 0o666 & ~umask
    assert mode(tmp_path / "folder") == 0o777 & ~umask


def test_what_breaks_off_leaves_the_older_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"older")

    def write_half() -> None:
        with atomic_write(tmp_path / "file") as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"older"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HRM_ENV_CACHE": "~/puzzles", "HOME": "/home/somebody"}, "/home/somebody/puzzles"),
        ({"HRM_ENV_CACHE": "/data/puzzles"}, "/data/puzzles"),
        ({"HOME": "/home/somebody"}, "/home/somebody/.cache/hrm_env"),
        ({"HOME": "/home/somebody", "XDG_CACHE_HOME": "/fast"}, "/fast/hrm_env"),
    ],
)
def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("HRM_ENV_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_a_user_without_a_home_has_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs as a number: neither ``$HOME`` nor the list of users tells a home."""
    for name in ("HRM_ENV_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 123_456)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder() == tmp_path / "hrm_env"
